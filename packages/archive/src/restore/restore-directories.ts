import { chmodSync, lchownSync, mkdirSync, utimesSync } from 'node:fs'
import { ignoring } from './ignoring.ts'
import { type FileFacts, type Restorer, modeOfNew } from './restore-files.ts'
import { fileSystemPath } from '../format/tree.ts'

/** The directories of a tree as threads share them; number 0 is the tree itself. */
export interface SharedDirectories {
  parent: Int32Array
  /** Joined by `/`. */
  names: string
  mode: Uint16Array
  uid: Uint32Array
  gid: Uint32Array
  mtime: Float64Array
  /** 1 for each that some thread has made. */
  made: Uint8Array
}

/** What a thread knows of where it works. */
export interface Place {
  root: string
  restorer: Restorer
  /** A restore that was cut may have been here before. */
  mayHold: boolean
  hasRawNames: boolean
}

/** The directories of a tree that grows, for one of the threads. */
export class GrowingDirectories {
  private readonly place: Place
  private readonly shared: SharedDirectories
  private readonly names: string[]
  private readonly paths: string[]

  constructor(place: Place, shared: SharedDirectories) {
    this.place = place
    this.shared = shared
    this.names = shared.names.split('/')
    this.paths = [place.root]
  }

  /** Where an entry of a directory lies, as the file system is given it; the directory is there. */
  pathIn(directory: number, name: string): string | Buffer {
    if (this.shared.made[directory] === 0) this.make(directory)
    return this.encoded(`${this.pathOf(directory)}/${name}`)
  }

  /** Makes a directory and those above it; writable for us until all is in. Two threads may do the same at once. */
  make(directory: number): void {
    if (directory === 0 || this.shared.made[directory] !== 0) return
    this.make(this.shared.parent[directory] as number)
    const path = this.encoded(this.pathOf(directory))
    const mode = this.firstMode(directory)
    const isNew = ignoring('EEXIST', () => mkdirSync(path, { mode }))
    // It may be finished already, and no longer writable.
    if (!isNew && this.place.mayHold) chmodSync(path, mode)
    this.shared.made[directory] = 1
  }

  /**
   * Owner, mode and time, when everything in it is there: every entry made in a directory sets its time anew. The tree itself stays
   * writable for us: rename(2) needs that of a directory that gets another parent.
   */
  finish(directory: number): void {
    const { mode, uid, gid, mtime } = this.shared
    const facts = {
      mode: (mode[directory] as number) | (directory === 0 ? 0o700 : 0),
      uid: uid[directory] as number,
      gid: gid[directory] as number,
      mtime: mtime[directory] as number,
    }
    const { restorer, mayHold } = this.place
    // The tree itself was not made here.
    const isOurs = directory > 0 && !mayHold
    const made = isOurs ? modeOfNew(this.firstMode(directory), restorer) : undefined
    finishDirectory(this.encoded(this.pathOf(directory)), facts, { restorer, made })
  }

  /** Whether it can be finished before those below it: nobody is shut out. */
  isOpen(directory: number): boolean {
    return ((this.shared.mode[directory] as number) & 0o700) === 0o700
  }

  private firstMode(directory: number): number {
    return ((this.shared.mode[directory] as number) & 0o777) | 0o700
  }

  private pathOf(directory: number): string {
    const known = this.paths[directory]
    if (known !== undefined) return known
    const parent = this.pathOf(this.shared.parent[directory] as number)
    return (this.paths[directory] = `${parent}/${this.names[directory]}`)
  }

  private encoded(path: string): string | Buffer {
    const { root, hasRawNames } = this.place
    return hasRawNames ? fileSystemPath(root, path.slice(root.length + 1)) : path
  }
}

/** `made` is the mode that it has so far, if that is known. */
export function finishDirectory(
  path: string | Buffer,
  facts: FileFacts,
  { restorer, made }: { restorer: Restorer; made?: number | undefined },
): void {
  const isGiven = giveOwnerAt(path, facts, restorer)
  if (isGiven || made !== facts.mode) chmodSync(path, facts.mode)
  utimesSync(path, facts.mtime / 1e6, facts.mtime / 1e6)
}

/** The owner of a directory or link, where that is ours to give. Answers whether it was changed. */
export function giveOwnerAt(
  path: string | Buffer,
  entry: { uid: number; gid: number },
  restorer: Restorer,
): boolean {
  if (!restorer.isRoot || (entry.uid === restorer.uid && entry.gid === restorer.gid)) return false
  return ignoring('EPERM', () => ignoring('EINVAL', () => lchownSync(path, entry.uid, entry.gid)))
}
