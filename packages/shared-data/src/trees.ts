import { lstat, readlink } from 'node:fs/promises'
import { walkTree, type TreeEntry } from '@berth/filesystem'

/** Bytes and entries of a tree, for the room that a copy needs. */
export async function measureTree(
  directory: string,
  signal: AbortSignal,
): Promise<{ bytes: number; files: number }> {
  const sum = { bytes: 0, files: 0 }
  for await (const { path, kind } of walkTree(directory)) {
    signal.throwIfAborted()
    sum.files += 1
    if (kind === 'file') sum.bytes += (await lstat(path).catch(() => undefined))?.size ?? 0
  }
  return sum
}

/** Says whether two trees hold the same names, kinds, modes, sizes, link targets and times; contents are not read. */
export async function isSameTree(a: string, b: string): Promise<boolean> {
  const others = walkTree(b)
  for await (const entry of walkTree(a)) {
    const other = await others.next()
    if (other.done === true || !(await isSameEntry(entry, other.value))) return false
  }
  return (await others.next()).done === true
}

async function isSameEntry(a: TreeEntry, b: TreeEntry): Promise<boolean> {
  if (a.kind !== b.kind || !a.relativePath.equals(b.relativePath)) return false
  if (a.kind === 'symlink') return (await readlink(a.path)) === (await readlink(b.path))
  const [first, second] = await Promise.all([lstat(a.path), lstat(b.path)])
  if (first.mode !== second.mode) return false
  // utimes(2) through a double keeps microseconds at best.
  return (
    a.kind !== 'file' ||
    (first.size === second.size && Math.abs(first.mtimeMs - second.mtimeMs) < 0.01)
  )
}
