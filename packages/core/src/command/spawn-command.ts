import { type ChildProcess, spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '../error.ts'
import { describeExit } from './exit-code.ts'
import { createLineReader } from './line-reader.ts'
import { createMask, type Mask } from '../mask/mask.ts'
import { endProcessGroup, KILL_AFTER_MS } from './process-group.ts'

/** When a process in the background of an ended command holds its output open: how long nothing must have come, and the limit. */
const SILENCE_MS = 50
const LONGEST_DRAIN_MS = 2000
const TAIL_LINES = 20

export interface CommandOptions {
  /** The program, searched in `PATH` of `env`, and its arguments. */
  command: readonly [string, ...string[]]
  /** The whole environment. */
  env: Readonly<Record<string, string>>
  /** Absolute. */
  workingDirectory: string
  /** Ends the command and everything in its process group: TERM, and KILL after `killAfterMs`. */
  signal?: AbortSignal | undefined
  killAfterMs?: number
  /** Hides secrets before a line is cut out or remembered. */
  mask?: Mask
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void
}

export interface CommandEnd {
  code: number | null
  signal: NodeJS.Signals | null
  /** The last lines of standard error, masked. */
  errorTail: string[]
}

/**
 * Runs a command in a process group of its own, with no standard input, and streams its output as masked lines. Memory stays bounded
 * however much it prints.
 *
 * Resolves with the end, whatever the exit code is, as soon as the command itself has ended; what it left in the background lives on
 * after exit code 0 and is ended with the group otherwise. An abort ends the group and rejects with the signal's reason. Throws
 * `core/command-not-found`, `core/command-not-executable` and `core/no-working-directory`.
 */
export async function spawnCommand(options: CommandOptions): Promise<CommandEnd> {
  const { signal, mask = createMask({}) } = options
  signal?.throwIfAborted()
  await checkDirectory(options.workingDirectory)
  signal?.throwIfAborted()
  const errorTail: string[] = []
  const child = spawn(options.command[0], options.command.slice(1), {
    cwd: options.workingDirectory,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const readers = [
    readLines(child.stdout, mask, (line) => options.onLine?.(line, 'stdout')),
    readLines(child.stderr, mask, (line) => {
      errorTail.push(line)
      if (errorTail.length > TAIL_LINES) errorTail.shift()
      options.onLine?.(line, 'stderr')
    }),
  ]
  try {
    const { isAborted, ...end } = await ended(child, options)
    await drain(readers)
    if (isAborted) throw signal?.reason
    return { ...end, errorTail }
  } finally {
    for (const reader of readers) reader.close()
  }
}

/** The error for a command that did not end with exit code 0: how it ended, what that means, and what it said last. */
export function commandFailed(what: string, end: CommandEnd): BerthError {
  const lines = end.errorTail.filter((line) => line.trim() !== '')
  const last = lines.at(-1)?.trim()
  const reason = `it ended with ${describeExit(end.code, end.signal)}`
  return new BerthError(
    'core/command-failed',
    `could not run ${what}: ${reason}${last === undefined ? '' : `: ${last}`}`,
    lines.length > 1 ? { excerpt: lines.join('\n') } : {},
  )
}

async function checkDirectory(directory: string): Promise<void> {
  // spawn reports a missing directory as if the program were missing.
  await access(directory).catch((error: unknown) => {
    throw new BerthError(
      'core/no-working-directory',
      `could not run a command in ${directory}: the directory is missing or may not be entered`,
      { hint: 'create it in an earlier step, or set `working-directory`', cause: error },
    )
  })
}

type Exit = Omit<CommandEnd, 'errorTail'>

async function ended(
  child: ChildProcess,
  options: CommandOptions,
): Promise<Exit & { isAborted: boolean }> {
  const { signal, killAfterMs = KILL_AFTER_MS } = options
  const exit = new Promise<Exit>((resolve, reject) => {
    child.once('exit', (code, by) => resolve({ code, signal: by }))
    child.once('error', (error) => reject(spawnFailed(options.command[0], error)))
  })
  const group = child.pid
  if (group === undefined) return { ...(await exit), isAborted: false }
  let ending: Promise<void> | undefined
  const onAbort = () => {
    ending = endProcessGroup(group, killAfterMs)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const end = await exit
    // A failed attempt must not go on in the background while the next one runs.
    if (end.code !== 0) ending ??= endProcessGroup(group, killAfterMs)
    await ending
    return { ...end, isAborted: signal?.aborted === true }
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

function spawnFailed(program: string, error: NodeJS.ErrnoException): unknown {
  if (error.code === 'ENOENT') {
    return new BerthError(
      'core/command-not-found',
      `could not run \`${program}\`: there is no such program`,
      {
        hint: 'install it in the image, or correct the name or `PATH`',
        cause: error,
      },
    )
  }
  if (error.code === 'EACCES') {
    return new BerthError(
      'core/command-not-executable',
      `could not run \`${program}\`: it is not executable`,
      {
        hint: `make it executable with \`chmod +x\``,
        cause: error,
      },
    )
  }
  return error
}

interface OutputReader {
  ended: Promise<void>
  /** How many chunks have come. */
  chunks: () => number
  close: () => void
}

function readLines(stream: Readable, mask: Mask, onLine: (line: string) => void): OutputReader {
  const reader = createLineReader(mask, onLine)
  let chunks = 0
  stream.on('data', (chunk: Buffer) => {
    chunks += 1
    reader.write(chunk)
  })
  const ended = new Promise<void>((resolve) => {
    stream.once('close', () => resolve())
    stream.once('error', () => resolve())
  })
  const close = () => {
    stream.removeAllListeners('data')
    stream.destroy()
    reader.end()
  }
  return { ended, chunks: () => chunks, close }
}

/** Waits until both streams have ended, or nothing has come for a while although something holds them open. */
async function drain(readers: readonly OutputReader[]): Promise<void> {
  const allEnded = Promise.all(readers.map(({ ended }) => ended)).then(() => true)
  const count = () => readers.reduce((sum, reader) => sum + reader.chunks(), 0)
  const end = performance.now() + LONGEST_DRAIN_MS
  let before = -1
  while (count() !== before && performance.now() < end) {
    before = count()
    // The immediate lets a busy process read what has come before the time counts as silence.
    const silence = sleep(SILENCE_MS, false).then(() => setImmediate(false))
    if (await Promise.race([allEnded, silence])) return
  }
}
