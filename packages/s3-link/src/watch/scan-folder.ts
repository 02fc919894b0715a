import { lstat, readdir } from 'node:fs/promises'
import { hasErrno } from '@berth/filesystem'
import { factsOf, type FileFacts } from '../upload/file-facts.ts'

/** What a scan tells of one entry; names are bytes as text. */
export interface FolderVisitor {
  file: (name: string, facts: FileFacts) => void
  /** Of a folder below the root, or the root itself with an empty name, before what is in it. */
  folder: (name: string) => void
  /** Neither a regular file nor a folder: a link, a socket, a device. */
  other: (name: string, kind: 'symlink' | 'special') => void
  /** A file, or a folder with all that is in it, whose name says that it is not finished. */
  unfinished?: (name: string, facts: FileFacts) => void
  /** Could not be looked at. */
  unreadable: (name: string, error: unknown) => void
}

/** What a scan passes over. */
export interface ScanLimits {
  /** The folder to begin with, below the root. */
  within?: string
  /** Not told of at all. */
  isOurs: (name: string) => boolean
  /** Told of as such. */
  isUnfinished?: (name: string) => boolean
}

const LOOKS_AT_ONCE = 32

/**
 * Tells of everything below a folder, links not followed, names as bytes. What vanishes meanwhile is passed over; that the folder itself
 * can't be read throws.
 */
export async function scanFolder(
  root: string,
  visitor: FolderVisitor,
  { within = '', isOurs, isUnfinished = () => false }: ScanLimits,
): Promise<void> {
  const pending = [within]
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    // Before it is read: who listens to it then misses nothing that is made meanwhile.
    visitor.folder(folder)
    const names = await readNames(root, folder, visitor)
    if (names === undefined) continue
    for (let at = 0; at < names.length; at += LOOKS_AT_ONCE) {
      const some = names.slice(at, at + LOOKS_AT_ONCE).filter((name) => !isOurs(name))
      const found = await Promise.all(
        some.map((name) => look(root, name, { visitor, isUnfinished })),
      )
      for (const name of found) if (name !== undefined) pending.push(name)
    }
  }
}

/** The absolute path of a name. */
export function placeOf(root: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')])
}

async function readNames(
  root: string,
  folder: string,
  visitor: FolderVisitor,
): Promise<string[] | undefined> {
  try {
    const path = folder === '' ? Buffer.from(root) : placeOf(root, folder)
    const names = await readdir(path, { encoding: 'buffer' })
    const prefix = folder === '' ? '' : `${folder}/`
    return names.map((name) => prefix + name.toString('latin1'))
  } catch (error) {
    if (folder === '') throw error
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) visitor.unreadable(folder, error)
    return undefined
  }
}

/** The name of a folder, to go on with. */
async function look(
  root: string,
  name: string,
  { visitor, isUnfinished }: { visitor: FolderVisitor; isUnfinished: (name: string) => boolean },
): Promise<string | undefined> {
  try {
    const status = await lstat(placeOf(root, name), { bigint: true })
    if (isUnfinished(name)) {
      visitor.unfinished?.(name, factsOf(status))
      return undefined
    }
    if (status.isDirectory()) return name
    if (status.isFile()) visitor.file(name, factsOf(status))
    else visitor.other(name, status.isSymbolicLink() ? 'symlink' : 'special')
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) visitor.unreadable(name, error)
  }
  return undefined
}
