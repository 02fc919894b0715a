import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { BerthError } from '@berth/core/error'

/** What a member of an old archive says of itself. */
export interface Member {
  path: string
  mode: number
  /** Milliseconds since the epoch. */
  mtimeMs: number
}

export interface StageOptions {
  /** Leave away so many components at the front of each path. */
  strip: number
  /** Links that lead out of the tree are kept word for word instead of refused. */
  keepLinks: boolean
  /** Of the archive that is read, for messages. */
  from: () => string
}

/**
 * An empty directory that grows from the members of old archives. Nothing is ever written through a link: links are made last. What is
 * unsafe is refused with `archive/unsafe-member`.
 */
export class Stage {
  private readonly root: string
  private readonly options: StageOptions
  private readonly directories = new Map<string, Member>()
  private readonly files = new Set<string>()
  private readonly links = new Map<string, { member: Member; target: string }>()
  private readonly hardLinks = new Map<string, string>()
  private strippedFiles = 0

  constructor(root: string, options: StageOptions) {
    this.root = root
    this.options = options
  }

  directory(member: Member): void {
    const path = safePath(member.path, this.options)
    if (path === undefined) return
    mkdirSync(this.at(path), { recursive: true, mode: 0o700 })
    this.directories.set(path, member)
  }

  /** Takes the content piece by piece, then `end`. */
  file(member: Member): { write: (bytes: Uint8Array) => void; end: () => void } {
    const path = safePath(member.path, this.options)
    if (!path) {
      this.strippedFiles++
      return { write: () => {}, end: () => {} }
    }
    this.forget(path)
    const fd = createFile(this.prepare(path))
    this.files.add(path)
    return {
      write: (bytes) => writeAll(fd, bytes),
      end: () => {
        fchmodSync(fd, member.mode & 0o7777)
        futimesSync(fd, member.mtimeMs / 1000, member.mtimeMs / 1000)
        closeSync(fd)
      },
    }
  }

  link(member: Member, target: string): void {
    const path = safePath(member.path, this.options)
    if (!path) return void this.strippedFiles++
    if (!this.options.keepLinks && leadsOut(path, target))
      throw this.unsafe(member.path, `it is a link that leads out of the tree, to \`${target}\``)
    this.forget(path)
    this.links.set(path, { member, target })
  }

  hardLink(member: Member, to: string): void {
    const path = safePath(member.path, this.options)
    const target = safePath(to, this.options)
    if (!path || !target) return void this.strippedFiles++
    this.forget(path)
    this.hardLinks.set(path, target)
  }

  /** Makes the links and gives directories their modes and times; answers how many entries there are, and how many `strip` left nothing of. */
  finish(): { files: number; links: number; strippedFiles: number } {
    for (const [path, to] of this.hardLinks) {
      if (!this.files.has(to))
        throw this.unsafe(path, `it is another name of \`${to}\`, which is no file of it`)
      linkSync(this.at(to), this.prepare(path))
    }
    for (const [path, { member, target }] of this.links) {
      if (lstatSync(this.at(path), { throwIfNoEntry: false })?.isDirectory() === true)
        throw this.unsafe(member.path, 'it is a link, and other members lie below it')
      symlinkSync(target, this.prepare(path))
      lutimesSync(this.at(path), member.mtimeMs / 1000, member.mtimeMs / 1000)
    }
    for (const [path, { mode, mtimeMs }] of [...this.directories].toSorted(deepestFirst)) {
      chmodSync(this.at(path), mode & 0o7777)
      utimesSync(this.at(path), mtimeMs / 1000, mtimeMs / 1000)
    }
    return {
      files: this.files.size + this.hardLinks.size,
      links: this.links.size,
      strippedFiles: this.strippedFiles,
    }
  }

  private at(path: string): string {
    return join(this.root, path)
  }

  /** A place with its parents and nothing there: of a member that comes twice the later one counts, as it does for tar. */
  private prepare(path: string): string {
    const at = this.at(path)
    mkdirSync(dirname(at), { recursive: true, mode: 0o700 })
    rmSync(at, { force: true })
    return at
  }

  private forget(path: string): void {
    this.files.delete(path)
    this.links.delete(path)
    this.hardLinks.delete(path)
  }

  private unsafe(path: string, why: string): BerthError {
    return unsafe(path, why, this.options)
  }
}

function deepestFirst([a]: [string, Member], [b]: [string, Member]): number {
  return b.length - a.length
}

/** The place in the tree, `''` for the tree itself; `undefined` for what `strip` leaves away. */
function safePath(path: string, options: StageOptions): string | undefined {
  if (path.startsWith('/')) throw unsafe(path, 'its path is absolute', options)
  if (path.includes('\0') || path.includes('\uFFFD'))
    throw unsafe(path, 'its name is no text', options)
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw unsafe(path, 'its path leaves the tree', options)
  const rest = parts.slice(options.strip)
  if (rest[0] === '.berth') throw unsafe(path, 'that name is for state of Berth', options)
  return parts.length < options.strip ? undefined : rest.join('/')
}

/** Whether a link leads out of the tree. The interpreter of a venv does, on every machine. */
function leadsOut(path: string, target: string): boolean {
  const [name = '', folder = ''] = path.split('/').toReversed()
  if (folder === 'bin' && /^python[\d.]*$/.test(name)) return false
  if (target.startsWith('/')) return true
  const end = posix.normalize(posix.join(posix.dirname(path), target))
  return end === '..' || end.startsWith('../')
}

function createFile(path: string): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  return openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let written = 0
  while (written < bytes.length) written += writeSync(fd, bytes, written, bytes.length - written)
}

function unsafe(path: string, why: string, { from }: StageOptions): BerthError {
  return new BerthError(
    'archive/unsafe-member',
    `could not import ${from()}: \`${path}\`: ${why}`,
    {
      hint: 'unpack it yourself, look at it, and save the directory with `berth archive save`; for links that are meant, give `--keep-links`',
    },
  )
}
