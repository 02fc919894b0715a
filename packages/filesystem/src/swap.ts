import { createHash } from 'node:crypto'
import { lstat, readdir, rename, rm, symlink, unlink } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { explainErrno, hasErrno } from './errno.ts'
import { readFileIfPresent, syncDirectory, writeFileAtomic } from './file.ts'
import { readlinkIfPresent } from './paths.ts'
import { refuseSystemRoot } from './system-root.ts'
import { asideName, isPresent } from './temporary.ts'

export interface SwappedDirectory {
  /** Where the directory or file that was at `at` is now; undefined when there was none, or only an empty directory. */
  aside: string | undefined
  /** Where the symlink pointed that was at `at` and is gone. */
  replacedLink: string | undefined
}

interface SwapRecord {
  staged: string
  at: string
  aside: string
}

/**
 * Puts a whole, finished directory at `at`. A directory with anything in it, or a file, is first renamed to `aside` (a free
 * sibling name unless given; never replaced); an empty directory or a symlink there is replaced, for a link is only a pointer.
 *
 * Between the two renames `at` is absent: rename(2) can't exchange them. A record in `<parent>/.berth/` is written before the first
 * and removed after the second, so `recoverSwap` ends what a SIGKILL cut there. All paths must be on one file system, else
 * `filesystem/other-file-system`; a mount point can't be renamed: `filesystem/mount-point`. On failure `at` is as it was.
 */
export async function swapDirectory(places: {
  staged: string
  at: string
  aside?: string
}): Promise<SwappedDirectory> {
  refuseSystemRoot(places.at)
  refuseSystemRoot(places.staged)
  const [staged, at] = [resolve(places.staged), resolve(places.at)]
  await recoverSwap(at)
  if (!(await lstat(staged)).isDirectory())
    throw swapError('not-a-directory', staged, 'it is not a directory')
  const replacedLink = await readlinkIfPresent(at)
  if (replacedLink !== undefined) {
    await replaceLinkBy(staged, at, replacedLink)
    return { aside: undefined, replacedLink }
  }
  if (await isVacant(at)) {
    await move(staged, at)
    return { aside: undefined, replacedLink: undefined }
  }
  const aside = places.aside ?? (await asideName(at))
  if (await isPresent(aside)) throw swapError('aside-taken', aside, 'something is there already')
  await exchange({ staged, at, aside })
  return { aside, replacedLink: undefined }
}

export type SwapRecovery =
  /** No swap was cut, or it was cut before or after the moment that matters. */
  | { result: 'nothing' }
  /** The staged directory is now at `at`, the old one at `aside`. */
  | { result: 'finished'; aside: string }
  /** The staged directory is gone, so the old one is back at `at`. */
  | { result: 'taken-back' }

/**
 * Ends a swap that was cut between its two renames, forwards when the staged directory is still there, else backwards. Run it
 * before looking at `at`; running it twice is the same as once. Whatever is at `at` by now stays.
 */
export async function recoverSwap(path: string): Promise<SwapRecovery> {
  const at = resolve(path)
  const record = await readSwapRecord(at)
  if (record === undefined) return { result: 'nothing' }
  const recovery = (await isPresent(at)) ? ({ result: 'nothing' } as const) : await finish(record)
  await rm(recordPath(at), { force: true })
  return recovery
}

async function finish({ staged, at, aside }: SwapRecord): Promise<SwapRecovery> {
  if (!(await isPresent(aside))) return { result: 'nothing' }
  if (await isPresent(staged)) {
    await move(staged, at)
    return { result: 'finished', aside }
  }
  await move(aside, at)
  return { result: 'taken-back' }
}

async function exchange(record: SwapRecord): Promise<void> {
  const { staged, at, aside } = record
  // Relative, so that the record still means the same when the disk is mounted elsewhere next time.
  const places = [staged, aside].map((path) => relative(dirname(at), path))
  await writeFileAtomic(recordPath(at), JSON.stringify({ staged: places[0], aside: places[1] }))
  try {
    await move(at, aside)
    try {
      await move(staged, at)
    } catch (error) {
      await move(aside, at)
      throw error
    }
  } finally {
    await rm(recordPath(at), { force: true })
  }
}

async function replaceLinkBy(staged: string, at: string, target: string): Promise<void> {
  await unlink(at)
  try {
    await move(staged, at)
  } catch (error) {
    await symlink(target, at)
    throw error
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (hasErrno(error, 'EXDEV')) {
      throw swapError('other-file-system', from, `\`${to}\` is on another file system`, error)
    }
    if (hasErrno(error, 'EBUSY'))
      throw swapError('mount-point', from, 'something is mounted there', error)
    if (hasErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EISDIR')) {
      throw swapError('occupied', from, `\`${to}\` was filled meanwhile`, error)
    }
    throw explainErrno(error, `move \`${from}\` to \`${to}\``)
  }
  await syncDirectory(dirname(to))
  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from))
}

/** Absent, or a directory with nothing in it: rename(2) may simply take its place. */
async function isVacant(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).length === 0
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return true
    if (hasErrno(error, 'ENOTDIR')) return false
    throw error
  }
}

async function readSwapRecord(at: string): Promise<SwapRecord | undefined> {
  const data = await readFileIfPresent(recordPath(at))
  if (data === undefined) return undefined
  const { staged, aside } = JSON.parse(data.toString()) as Record<'staged' | 'aside', string>
  return { at, staged: resolve(dirname(at), staged), aside: resolve(dirname(at), aside) }
}

function recordPath(at: string): string {
  const id = createHash('sha256').update(basename(at)).digest('hex').slice(0, 16)
  return join(dirname(at), '.berth', `swap-${id}.json`)
}

function swapError(problem: string, path: string, why: string, cause?: unknown): BerthError {
  return new BerthError(`filesystem/${problem}`, `could not move \`${path}\`: ${why}`, {
    hint: hints[problem] ?? 'look at what is there and move it away',
    cause,
  })
}

const hints: Record<string, string> = {
  'other-file-system': 'stage the directory beside the place that it goes to',
  'mount-point': 'fill the mounted directory itself, or unmount it',
}
