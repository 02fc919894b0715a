import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { readStat } from './process-table.ts'

/**
 * Opens the directory that holds what a boot must remember (outputs, the undo journal, its pid): the one given, else
 * `BERTH_STATE_DIR`, `/run/berth`, `$XDG_RUNTIME_DIR/berth`, `/tmp/berth-<uid>`, the first that can be made. It is 0700 and ours, or
 * it is refused: whoever owns it could have us undo anything.
 */
export function openStateDirectory(option: string | undefined, env: NodeJS.ProcessEnv): string {
  const wanted = option ?? (env.BERTH_STATE_DIR || undefined)
  if (wanted !== undefined) return makePrivate(resolve(wanted))
  const refusals: string[] = []
  for (const candidate of usualDirectories(env)) {
    try {
      return makePrivate(candidate)
    } catch (error) {
      refusals.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new BerthError(
    'cli/no-state-directory',
    `no directory for the boot's state can be used: ${refusals.join('; ')}`,
    { hint: 'name one that you can write with `--state-dir` or BERTH_STATE_DIR' },
  )
}

/** Where a boot may keep its state, in the order in which a boot tries them. */
export function stateDirectories(option: string | undefined, env: NodeJS.ProcessEnv): string[] {
  const wanted = option ?? (env.BERTH_STATE_DIR || undefined)
  return wanted === undefined ? usualDirectories(env) : [resolve(wanted)]
}

function usualDirectories(env: NodeJS.ProcessEnv): string[] {
  return [
    '/run/berth',
    ...(env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'berth')] : []),
    `/tmp/berth-${process.getuid?.() ?? 0}`,
  ]
}

function makePrivate(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new BerthError(
      'cli/bad-state-directory',
      `could not make the state directory \`${directory}\`: ${reasonOf(directory, error as Error)}`,
      { hint: 'name one that you can write with `--state-dir` or BERTH_STATE_DIR', cause: error },
    )
  }
  const stat = lstatSync(directory)
  const uid = process.getuid?.() ?? stat.uid
  if (!stat.isDirectory() || stat.uid !== uid) {
    throw new BerthError(
      'cli/bad-state-directory',
      `could not use the state directory \`${directory}\`: it ${stat.isDirectory() ? `belongs to user ${stat.uid}, not to ${uid}` : 'is not a directory'}`,
      { hint: 'remove it, or name another with `--state-dir` or BERTH_STATE_DIR' },
    )
  }
  if ((stat.mode & 0o077) !== 0) chmodSync(directory, 0o700)
  return directory
}

/** On a file system that is read-only a recursive mkdir says that the directory is missing. */
function reasonOf(directory: string, error: NodeJS.ErrnoException): string {
  if (error.code !== 'ENOENT') return error.message
  try {
    mkdirSync(directory, { mode: 0o700 })
    return error.message
  } catch (plain) {
    return (plain as Error).message
  }
}

/** Either this process is now the one of a state directory, until the release, or another is. */
export type Claim = { release: () => void } | { holder: number }

/** Makes this process the one boot of a state directory and returns the release. Throws `cli/already-running` while another lives. */
export function claimStateDirectory(directory: string): () => void {
  const claim = tryClaim(directory)
  if ('release' in claim) return claim.release
  throw new BerthError(
    'cli/already-running',
    `could not boot: process ${claim.holder} already boots with the state directory \`${directory}\``,
    { hint: 'stop it first, or give this one its own directory with `--state-dir`' },
  )
}

/**
 * Makes this process the one of a state directory, unless another lives; a dead one's file is taken over, also when its pid is in use
 * again by another process. Throws `cli/already-running` when others keep claiming it.
 */
export function tryClaim(directory: string): Claim {
  const file = join(directory, 'boot.pid')
  const own = JSON.stringify({
    pid: process.pid,
    startTime: readStat(process.pid)?.startTime ?? '',
  })
  const temporary = join(directory, `boot.pid.${process.pid}`)
  writeFileSync(temporary, own, { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      // link(2) is the one way to make a file appear whole and only where none is.
      if (tryLink(temporary, file)) return { release: () => release(file, own) }
      const holder = readHolder(file)
      if (holder !== undefined && holder.isAlive) return { holder: holder.pid }
      if (holder !== undefined) takeAway(file, holder.text, `${temporary}.stale`)
    }
  } finally {
    rmSync(temporary, { force: true })
  }
  throw new BerthError(
    'cli/already-running',
    `could not boot: others keep claiming \`${directory}\``,
  )
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function readHolder(file: string): { pid: number; isAlive: boolean; text: string } | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { pid, startTime } = JSON.parse(text) as { pid: number; startTime: string }
    const stat = readStat(pid)
    return {
      pid,
      isAlive: stat !== undefined && stat.startTime === startTime && stat.state !== 'Z',
      text,
    }
  } catch {
    return { pid: 0, isAlive: false, text }
  }
}

/** Moves a dead holder's file away; one that a live process has put there in the meantime is put back. */
function takeAway(file: string, expected: string, aside: string): void {
  try {
    renameSync(file, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (readFileSync(aside, 'utf8') !== expected) tryLink(aside, file)
  rmSync(aside, { force: true })
}

function release(file: string, own: string): void {
  try {
    if (readFileSync(file, 'utf8') === own) rmSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
