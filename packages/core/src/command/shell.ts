import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { createRequire } from 'node:module'
import type * as Zx from 'zx/core'
import type { LogEntry, Options, Shell } from 'zx/core'
import { DEFAULT_PATH, findShell } from './find-shell.ts'
import { createLineReader, type LineReader } from './line-reader.ts'
import type { Mask } from '../mask/mask.ts'
import { endProcessGroup } from './process-group.ts'

export interface ShellOptions {
  /** The whole environment. */
  env: Readonly<Record<string, string>>
  /** Absolute. */
  workingDirectory: string
  signal: AbortSignal
  mask: Mask
  /** Gets each line of standard error, masked. */
  onLine: (line: string) => void
}

/**
 * zx bound to one step: its directory, environment, log and signal. For short commands whose output is wanted, because zx keeps all of it
 * in memory. What they print to standard error is logged unless they are `quiet()`. Arguments are quoted as every POSIX shell reads
 * them. An abort ends the command's whole process group. zx is loaded by the first command, as that takes as long as the rest of a start.
 */
export function createShell(options: ShellOptions): Shell {
  let bound: Shell | undefined
  const load = () => (bound ??= bindShell(options))
  return new Proxy((() => {}) as unknown as Shell, {
    apply: (_target, _self, args: Parameters<Shell>) => load()(...args),
    get: (_target, key) => Reflect.get(load(), key) as unknown,
  })
}

function bindShell(options: ShellOptions): Shell {
  const { command } = findShell(options.env.PATH ?? DEFAULT_PATH)
  return loadZx().$({
    cwd: options.workingDirectory,
    env: { ...options.env },
    verbose: false,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Set by hand, because zx knows only bash, and quotes in a way that only bash reads.
    shell: command[0],
    prefix: '',
    postfix: '',
    quote: quoteArgument,
    log: lineLog(options),
    spawn: spawnInGroup(command, options.signal),
  })
}

/** The argument as one word of a POSIX shell. */
export function quoteArgument(argument: string): string {
  return /^[\w/.:=@,+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`
}

function loadZx(): typeof Zx {
  // A bundler resolves the plain call and keeps it lazy; in a module of Node's there is no `require`.
  const zx: typeof Zx =
    typeof require === 'function' ? require('zx/core') : createRequire(import.meta.url)('zx/core')
  // zx's own asks `ps` for the process tree, throws where that is missing, and is taken from these defaults even by a bound shell.
  zx.defaults.kill = async (pid, signal = 'SIGTERM') => {
    if (signal === 'SIGTERM') await endProcessGroup(Number(pid))
    else process.kill(-Number(pid), signal)
  }
  return zx
}

function spawnInGroup(shell: readonly string[], signal: AbortSignal): Options['spawn'] {
  const [program = '', ...shellArguments] = shell
  type WithInput = SpawnOptions & { input?: unknown }
  const spawnBound = (command: string, _arguments: string[], options: WithInput): ChildProcess => {
    signal.throwIfAborted()
    const child = spawn(program, [...shellArguments, '-c', command], {
      ...options,
      shell: false,
      detached: true,
      stdio: (options.input ?? null) === null ? options.stdio : 'pipe',
    })
    const onAbort = async () => {
      if (child.pid !== undefined) await endProcessGroup(child.pid)
      // A process that left the group may hold the pipes, which zx waits for.
      child.stdout?.destroy()
      child.stderr?.destroy()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    child.once('close', () => signal.removeEventListener('abort', onAbort))
    return child
  }
  return spawnBound as Options['spawn']
}

function lineLog({ mask, onLine }: ShellOptions): (entry: LogEntry) => void {
  const readers = new Map<string, LineReader>()
  return (entry) => {
    if (entry.kind === 'stderr' && entry.verbose) {
      const reader = readers.get(entry.id) ?? createLineReader(mask, onLine)
      readers.set(entry.id, reader)
      reader.write(entry.data)
    }
    if (entry.kind === 'end') {
      readers.get(entry.id)?.end()
      readers.delete(entry.id)
    }
  }
}
