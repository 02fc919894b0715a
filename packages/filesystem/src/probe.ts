import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { mountOf, readMounts } from './mounts.ts'
import type { ProbeAnswer, ProbeQuestion } from './probe-script.ts'
import { probeProgram, QUESTION_VARIABLE } from './probe-script.ts'
import { temporaryName } from './temporary.ts'

export interface DirectoryProbe {
  /** It can be written, files can be renamed, removed and linked symbolically, and a name can be taken by one process only. */
  usable: boolean
  /** Why it isn't usable. */
  reason: { code: string; message: string } | undefined
  writable: boolean
  /** These five: undefined when it was not tried. */
  renames: boolean | undefined
  symlinks: boolean | undefined
  hardLinks: boolean | undefined
  chmods: boolean | undefined
  exclusiveCreate: boolean | undefined
  /** 0 when it couldn't be asked. */
  freeBytes: number
  /** Undefined where the file system doesn't count them. */
  freeInodes: number | undefined
  /** Of the file system: `ext4`, `nfs4`, `fuse.mfs`; empty when unknown. */
  type: string
}

export interface ProbeSettings {
  signal?: AbortSignal
  /** 5 s unless given. */
  timeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 5_000

/**
 * Tries for real what a directory allows: write, rename, symlink, hard link, chmod, exclusive create, in a subdirectory that is
 * removed again. Never throws for what the directory is like, only with the signal's reason. The trying is done by a process of its
 * own: a file system that doesn't answer holds that one, and the caller gets `filesystem/no-answer` after `timeoutMs`.
 */
export async function probeDirectory(
  path: string,
  settings: ProbeSettings = {},
): Promise<DirectoryProbe> {
  const directory = resolve(path)
  return examine(directory, temporaryName(join(directory, 'berth'), 'probe'), settings)
}

/** As `probeDirectory`, but writes nothing: what needs a write to be known is undefined, and `usable` only means that it may be. */
export async function inspectDirectory(
  path: string,
  settings: ProbeSettings = {},
): Promise<DirectoryProbe> {
  return examine(resolve(path), undefined, settings)
}

async function examine(
  path: string,
  temporary: string | undefined,
  { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: ProbeSettings,
): Promise<DirectoryProbe> {
  signal?.throwIfAborted()
  const answer = await askProcess(path, temporary, { signal, timeoutMs })
  if (answer === undefined) {
    return {
      ...nothingKnown,
      reason: { code: 'filesystem/no-answer', message: noAnswer(path, timeoutMs) },
    }
  }
  const mount = mountOf(answer.realPath, await readMounts())
  const reason = reasonOf(path, answer, temporary !== undefined)
  return {
    usable: reason === undefined,
    reason,
    writable: answer.writable,
    renames: answer.renames,
    symlinks: answer.symlinks,
    hardLinks: answer.hardLinks,
    chmods: answer.chmods,
    exclusiveCreate: answer.exclusiveCreate,
    freeBytes: answer.freeBytes,
    freeInodes: answer.freeInodes,
    type: mount?.type ?? '',
  }
}

const nothingKnown: DirectoryProbe = {
  usable: false,
  reason: undefined,
  writable: false,
  renames: undefined,
  symlinks: undefined,
  hardLinks: undefined,
  chmods: undefined,
  exclusiveCreate: undefined,
  freeBytes: 0,
  freeInodes: undefined,
  type: '',
}

function noAnswer(path: string, timeoutMs: number): string {
  return `\`${path}\` did not answer within ${timeoutMs / 1000} s`
}

function reasonOf(path: string, answer: ProbeAnswer, tried: boolean): DirectoryProbe['reason'] {
  const { failure } = answer
  const reason = (problem: string, why: string) => ({
    code: `filesystem/${problem}`,
    message: `\`${path}\` ${why}`,
  })
  if (!answer.writable) {
    if (failure === undefined) {
      return answer.isDirectory
        ? reason('not-writable', 'does not give back what was written')
        : reason('not-a-directory', 'is not a directory')
    }
    const unknown: [string, string] = ['not-writable', `can't be written: ${failure.message}`]
    // /proc says ENOENT to each new name.
    const isMisleading = answer.isDirectory && failure.code === 'ENOENT'
    const [problem, why] = isMisleading ? unknown : (refusals[failure.code] ?? unknown)
    return reason(problem, why)
  }
  if (!tried) return undefined
  if (!answer.renames) return reason('no-rename', 'does not allow renaming')
  if (!answer.symlinks) return reason('no-symlinks', 'does not allow symbolic links')
  if (!answer.removes) return reason('no-remove', 'does not allow removing')
  if (!answer.exclusiveCreate)
    return reason('no-exclusive-create', 'lets two processes create the same file')
  return undefined
}

const refusals: Record<string, [problem: string, why: string]> = {
  ENOENT: ['absent', 'does not exist'],
  ENOTDIR: ['not-a-directory', 'is not a directory'],
  EROFS: ['read-only', 'is mounted read-only'],
  EACCES: ['not-writable', 'may not be written by this user'],
  EPERM: ['not-writable', 'may not be written by this user'],
  ENOSPC: ['no-room', 'is full'],
  EDQUOT: ['no-room', 'has no quota left'],
  ENOTCONN: ['stale-mount', 'is a mount whose server process is gone'],
  ESTALE: ['stale-mount', 'is a mount whose server no longer knows it'],
  ELOOP: ['link-loop', 'is a symlink that runs in a circle'],
}

/** Undefined when there was no answer in time. */
async function askProcess(
  path: string,
  temporary: string | undefined,
  { signal, timeoutMs }: { signal: AbortSignal | undefined; timeoutMs: number },
): Promise<ProbeAnswer | undefined> {
  // Not killed when time is over: it is stuck for as long as the file system is, and then still removes what it made. Its own
  // session, so that neither Ctrl-C nor the end of this process group cuts it in the middle.
  const question: ProbeQuestion = { path, temporary: temporary ?? null }
  const child = spawn(process.execPath, ['--input-type=commonjs', '-e', probeProgram], {
    cwd: '/',
    env: { [QUESTION_VARIABLE]: JSON.stringify(question) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const { promise, resolve: answerWith, reject } = Promise.withResolvers<string | undefined>()
  let [output, complaints] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  child.on('error', reject)
  child.on('close', (code) => {
    if (code === 0) answerWith(output)
    else reject(new Error(`the probe of ${path} ended with ${code}: ${complaints.slice(0, 2000)}`))
  })
  const abort = () => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const timer = setTimeout(answerWith, timeoutMs, undefined)
  try {
    const text = await promise
    return text === undefined ? undefined : JSON.parse(text)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    child.stdout.destroy()
    child.stderr.destroy()
    child.unref()
  }
}
