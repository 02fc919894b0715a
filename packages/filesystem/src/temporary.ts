import { randomBytes } from 'node:crypto'
import { lstat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { hasErrno } from './errno.ts'

const COPY_MARK = '.berth-copy-'
const ASIDE_MARK = '.berth-aside-'
const TEMPORARY_MARKS = [COPY_MARK, '.berth-tmp-', '.berth-probe-', '.berth-staging-']

// A name may have 255 bytes in every file system that matters; 180 leave room for the mark and the id.
const KEPT_NAME_BYTES = 180

/** What a temporary is for; the kind is part of its name, so that a later run recognises what a killed one left. */
export type TemporaryKind = 'copy' | 'tmp' | 'probe' | 'staging'

/** A unique hidden sibling of `path` for something half-made: `.<name>.berth-<kind>-<id>`. Creates nothing. */
export function temporaryName(path: string, kind: TemporaryKind): string {
  const name = shortened(basename(path))
  return join(dirname(path), `.${name}.berth-${kind}-${randomBytes(8).toString('hex')}`)
}

/** Says whether a name (not a path) is that of a copy that was never finished. With `of`, only of that directory. */
export function isHalfMadeCopy(name: string, of?: string): boolean {
  const at = name.lastIndexOf(COPY_MARK)
  if (!name.startsWith('.') || at < 1) return false
  return of === undefined || name.slice(1, at) === shortened(of)
}

/** Says whether a name (not a path) is that of one of our own temporaries; what was set aside is not. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith('.') && TEMPORARY_MARKS.some((mark) => name.includes(mark))
}

/**
 * A free sibling name to move `path` to: `<name>.berth-aside-<UTC time>`, with `-2`, `-3`, … when it is taken. Creates nothing.
 */
export async function asideName(path: string, now = new Date()): Promise<string> {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '')
  const name = join(dirname(path), `${shortened(basename(path))}${ASIDE_MARK}${time}`)
  let free = name
  for (let count = 2; await isPresent(free); count += 1) free = `${name}-${count}`
  return free
}

/** Says whether anything, a dangling link too, has this name. */
export async function isPresent(path: string | Buffer): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

function shortened(name: string): string {
  return Buffer.from(name).subarray(0, KEPT_NAME_BYTES).toString()
}
