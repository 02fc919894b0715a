import type { BigIntStats } from 'node:fs'
import { link, lstat, mkdir, readlink, rm, symlink } from 'node:fs/promises'
import { BerthError } from '@berth/core/error'
import { copyFileContent } from './copy-file.ts'
import { applyMetadata } from './copy-metadata.ts'
import { hasErrno } from './errno.ts'
import { withPool } from './pool.ts'
import type { EntryKind, TreeEntry } from './walk.ts'
import { joinBytes, walkTree } from './walk.ts'

// Enough to keep the thread pool busy; network volumes answer each request late, not slowly.
const CONCURRENCY = 16
const ATTEMPTS = 3

export interface Expected {
  kind: EntryKind
  size: bigint
}

/** What a copy made so far, and what the check afterwards compares it with. */
export interface CopyState {
  from: Buffer
  to: Buffer
  files: number
  bytes: number
  changing: string[]
  leftOut: string[]
  /** By relative path (latin1, so that every byte counts). */
  expected: Map<string, Expected>
  /** Parents before children; the tree itself is the first. */
  directories: { to: Buffer; stats: BigIntStats }[]
}

export interface CopyJob {
  from: string
  to: string
  signal?: AbortSignal
  onProgress?: (progress: { files: number; bytes: number }) => void
}

interface Copier {
  state: CopyState
  signal: AbortSignal
  progress: (files: number, bytes: number) => void
  /** First copies of files with several names, by device and inode: the further names wait for them. */
  firstNames: Map<string, Promise<Buffer | undefined>>
}

/** Copies everything below `from` into the empty directory `to`. When it throws, no write is under way any more. */
export async function copyEntries({ from, to, signal, onProgress }: CopyJob): Promise<CopyState> {
  const state: CopyState = {
    from: Buffer.from(from),
    to: Buffer.from(to),
    files: 0,
    bytes: 0,
    changing: [],
    leftOut: [],
    expected: new Map(),
    directories: [{ to: Buffer.from(to), stats: await lstat(from, { bigint: true }) }],
  }
  const progress = (files: number, bytes: number) => {
    state.files += files
    state.bytes += bytes
    onProgress?.({ files: state.files, bytes: state.bytes })
  }
  await withPool(CONCURRENCY, signal, async (pool) => {
    const copier: Copier = { state, signal: pool.signal, progress, firstNames: new Map() }
    for await (const entry of walkTree(from)) {
      pool.signal.throwIfAborted()
      // Before anything in it, and alone: its children come next.
      if (entry.kind === 'directory') await copyDirectory(copier, entry)
      else await pool.run(() => copyLeaf(copier, entry))
    }
  })
  return state
}

async function copyDirectory({ state }: Copier, entry: TreeEntry): Promise<void> {
  const stats = await lstatIfPresent(entry.path)
  const to = joinBytes(state.to, entry.relativePath)
  if (stats === undefined) {
    state.changing.push(entry.relativePath.toString())
    return
  }
  await mkdir(to, { mode: 0o700 })
  state.directories.push({ to, stats })
  expect(state, entry, 0n)
}

async function copyLeaf(copier: Copier, entry: TreeEntry): Promise<void> {
  const { state } = copier
  if (entry.kind === 'other') {
    state.leftOut.push(entry.relativePath.toString())
    return
  }
  const to = joinBytes(state.to, entry.relativePath)
  try {
    await (entry.kind === 'symlink' ? copySymlink(copier, entry, to) : copyFile(copier, entry, to))
  } catch (error) {
    if (!(await isGone(error, entry.path))) throw error
    state.changing.push(entry.relativePath.toString())
  }
}

async function copySymlink({ state }: Copier, entry: TreeEntry, to: Buffer): Promise<void> {
  const [target, stats] = await Promise.all([
    readlink(entry.path, { encoding: 'buffer' }),
    lstat(entry.path, { bigint: true }),
  ])
  await symlink(target, to)
  await applyMetadata(to, stats, await lstat(to, { bigint: true }))
  expect(state, entry, 0n)
}

async function copyFile(copier: Copier, entry: TreeEntry, to: Buffer): Promise<void> {
  const { firstNames, state } = copier
  const stats = await lstat(entry.path, { bigint: true })
  if (stats.nlink === 1n) {
    await copyStable(copier, entry, to)
    return
  }
  const identity = `${stats.dev}:${stats.ino}`
  const first = firstNames.get(identity)
  if (first === undefined) {
    const copied = copyStable(copier, entry, to).then(() => to)
    // A further name must not hang on a first one that failed; the failure itself is this task's.
    firstNames.set(
      identity,
      copied.catch(() => undefined),
    )
    await copied
    return
  }
  const firstName = await first
  if (firstName === undefined || !(await linkIfPossible(firstName, to))) {
    await copyStable(copier, entry, to)
    return
  }
  copier.progress(1, 0)
  expect(state, entry, (await lstat(to, { bigint: true })).size)
}

/** Copies a file until it was the same before and after, at most three times. */
async function copyStable(
  { state, signal, progress }: Copier,
  entry: TreeEntry,
  to: Buffer,
): Promise<void> {
  let before = await lstat(entry.path, { bigint: true })
  for (let attempt = 1; ; attempt += 1) {
    const onBytes = (bytes: number) => progress(0, bytes)
    const copied = await copyFileContent({ from: entry.path, to, before, signal, onBytes })
    const after = await lstat(entry.path, { bigint: true })
    const isStable = copied.size === after.size && isSameVersion(before, after)
    if (isStable || attempt === ATTEMPTS) {
      if (!isStable) state.changing.push(entry.relativePath.toString())
      await applyMetadata(to, after, copied)
      expect(state, entry, copied.size)
      progress(1, 0)
      return
    }
    await rm(to)
    progress(0, -Number(copied.size))
    before = after
  }
}

/** Reads the copy again and throws `filesystem/copy-differs` unless it holds exactly what was put into it. */
export async function verifyCopy({ to, expected }: CopyState, signal?: AbortSignal): Promise<void> {
  let seen = 0
  await withPool(CONCURRENCY, signal, async (pool) => {
    for await (const entry of walkTree(to)) {
      seen += 1
      await pool.run(() => verifyEntry(entry, expected.get(keyOf(entry))))
    }
  })
  if (seen !== expected.size) {
    throw differs('.', `${expected.size} entries were made, ${seen} are there`)
  }
}

async function verifyEntry(entry: TreeEntry, wanted: Expected | undefined): Promise<void> {
  const size = entry.kind === 'file' ? (await lstat(entry.path, { bigint: true })).size : 0n
  if (wanted?.kind === entry.kind && wanted.size === size) return
  const made = wanted === undefined ? 'nothing' : `a ${wanted.kind} of ${wanted.size} bytes`
  throw differs(
    entry.relativePath.toString(),
    `${made} was made, a ${entry.kind} of ${size} bytes is there`,
  )
}

function differs(name: string, why: string): BerthError {
  return new BerthError(
    'filesystem/copy-differs',
    `could not copy \`${name}\` completely: ${why}`,
    {
      hint: 'check the target disk, then copy again',
    },
  )
}

function expect(state: CopyState, entry: TreeEntry, size: bigint): void {
  state.expected.set(keyOf(entry), { kind: entry.kind, size })
}

function keyOf(entry: TreeEntry): string {
  return entry.relativePath.toString('latin1')
}

function isSameVersion(a: BigIntStats, b: BigIntStats): boolean {
  return a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
}

async function linkIfPossible(first: Buffer, to: Buffer): Promise<boolean> {
  try {
    await link(first, to)
    return true
  } catch (error) {
    if (hasErrno(error, 'EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP', 'EMLINK', 'EXDEV')) return false
    throw error
  }
}

async function lstatIfPresent(path: Buffer): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** The source vanished meanwhile: that is not an error of the copy. */
async function isGone(error: unknown, path: Buffer): Promise<boolean> {
  return hasErrno(error, 'ENOENT', 'ENOTDIR') && (await lstatIfPresent(path)) === undefined
}
