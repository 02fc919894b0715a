import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface CloseEvents {
  /** A file that was open for writing was closed, or got this name. */
  closed: (path: string) => void
  /** The name is gone: of a file, or of a folder with all below it, which ends with a slash. */
  gone: (path: string) => void
  /** Not everything is heard: there are no more watches, or events were lost. */
  missed: () => void
}

/**
 * inotify(7), of which Node passes on neither IN_CLOSE_WRITE nor what became of a name. Folders come on the standard input, and its end is the end. A
 * folder that is new is listed, for what came into it before it was listened to.
 */
const PYTHON = `
import ctypes, json, os, select, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
CLOSE, FROM, TO, CREATE, DELETE, ONLYDIR, ISDIR, OVER, IGNORED = 8, 0x40, 0x80, 0x100, 0x200, 0x1000000, 0x40000000, 0x4000, 0x8000
events = libc.inotify_init1(0o2000000)
folders = {}
def say(kind, path=b''):
    try: print(json.dumps({kind: path.decode()}), flush=True)
    except UnicodeDecodeError: pass
def listen(path, fresh):
    if len(folders) >= 4096: return say('missed')
    watch = libc.inotify_add_watch(events, path, CLOSE | FROM | TO | CREATE | DELETE | ONLYDIR)
    if watch < 0:
        if ctypes.get_errno() not in (2, 20): say('missed')
        return
    folders[watch] = path
    if not fresh: return
    try: found = list(os.scandir(path))
    except OSError: return
    for entry in found:
        if entry.is_dir(follow_symlinks=False): listen(entry.path, True)
        elif entry.is_file(follow_symlinks=False): say('closed', entry.path)
def forget(path):
    for watch, folder in list(folders.items()):
        if folder == path or folder.startswith(path + b'/'):
            libc.inotify_rm_watch(events, watch)
            folders.pop(watch, None)
def take(data):
    at = 0
    while at < len(data):
        watch, mask, _, length = struct.unpack_from('iIII', data, at)
        name = data[at + 16:at + 16 + length].rstrip(b'\\0')
        at += 16 + length
        if mask & OVER: say('missed')
        if mask & IGNORED: folders.pop(watch, None)
        folder = folders.get(watch)
        if folder is None or not name: continue
        path = os.path.join(folder, name)
        if mask & (FROM | DELETE):
            if mask & ISDIR: forget(path)
            say('gone', path + b'/' if mask & ISDIR else path)
        elif mask & ISDIR:
            if mask & (CREATE | TO): listen(path, True)
        elif mask & (CLOSE | TO): say('closed', path)
told = b''
while True:
    ready, _, _ = select.select([events, 0], [], [])
    if 0 in ready:
        part = os.read(0, 65536)
        if not part: break
        *lines, told = (told + part).split(b'\\n')
        for line in lines: listen(line, False)
    if events in ready: take(os.read(events, 65536))
`

/**
 * Hears which files below a mount are closed, in a process of its own: to listen to a folder asks the mount, which may hang. Needs python3; without
 * it nothing is heard, and `isListening` says so.
 */
export class CloseListener {
  readonly #events: CloseEvents
  #child: ChildProcess | undefined

  constructor(events: CloseEvents) {
    this.#events = events
  }

  get isListening(): boolean {
    return this.#child !== undefined
  }

  start(): void {
    const child = spawn('python3', ['-I', '-S', '-c', PYTHON], {
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      cwd: '/',
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    this.#child = child
    const end = () => {
      if (this.#child === child) this.#child = undefined
    }
    child.once('error', end)
    child.once('exit', end)
    child.stdin.on('error', end)
    createInterface(child.stdout).on('line', (line) => {
      if (this.#child === child) this.#hear(JSON.parse(line) as Record<string, string>)
    })
    child.unref()
  }

  /** Not what lies in it already. */
  listenTo(folder: string): void {
    if (!folder.includes('\n')) this.#child?.stdin?.write(`${folder}\n`)
  }

  close(): void {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }

  #hear({ closed, gone, missed }: Record<string, string>): void {
    if (closed !== undefined) this.#events.closed(closed)
    if (gone !== undefined) this.#events.gone(gone)
    if (missed !== undefined) this.#events.missed()
  }
}
