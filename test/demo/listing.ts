import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'

/** Everything about one entry of a tree that a user would miss if it came back differently. */
interface Entry {
  type: 'file' | 'directory' | 'symlink' | 'other'
  mode: string
  owner: string
  /** Nanoseconds since the epoch. */
  modified: bigint
  /** sha256 of a file's content; a symlink's target. */
  content: string
  /** The first path with the same inode, where there is more than one. */
  hardLink: string
}

/** Path (in bytes, read as latin1, because a name need not be UTF-8) to entry. */
export type Listing = Map<string, Entry>

/** Lists every entry at and below some directories of `root`, following only those directories themselves when they are links. */
export function listTree(root: string, directories: readonly string[]): Listing {
  const listing: Listing = new Map()
  const inodes = new Map<bigint, string>()
  const visit = (full: Buffer, relative: string): void => {
    const entry = readEntry(full, relative, inodes)
    listing.set(relative, entry)
    if (entry.type !== 'directory') return
    for (const name of fs.readdirSync(full, { encoding: 'buffer' })) {
      const child = `${relative}/${name.toString('latin1')}`
      visit(Buffer.concat([full, Buffer.from('/'), name]), child)
    }
  }
  for (const directory of directories) {
    const full = path.join(root, directory)
    if (fs.existsSync(full)) visit(Buffer.from(fs.realpathSync(full)), directory)
  }
  return listing
}

function readEntry(full: Buffer, relative: string, inodes: Map<bigint, string>): Entry {
  const stat = fs.lstatSync(full, { bigint: true })
  const type = typeOf(stat)
  const first = inodes.get(stat.ino) ?? relative
  if (type === 'file' && stat.nlink > 1n) inodes.set(stat.ino, first)
  return {
    type,
    mode: (stat.mode & 0o7777n).toString(8),
    owner: `${stat.uid}:${stat.gid}`,
    modified: stat.mtimeNs,
    content: contentOf(full, type),
    hardLink: type === 'file' && stat.nlink > 1n ? first : '',
  }
}

function typeOf(stat: fs.BigIntStats): Entry['type'] {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  return stat.isSymbolicLink() ? 'symlink' : 'other'
}

function contentOf(full: Buffer, type: Entry['type']): string {
  if (type === 'file') return sha256(fs.readFileSync(full))
  return type === 'symlink' ? fs.readlinkSync(full, 'latin1') : ''
}

/** Node sets times as seconds in a double, which near today's dates is exact to a quarter of a microsecond. */
const MTIME_TOLERANCE_NS = 1000n

/** One line for each path that is missing, added, or differs, with what differs; times to the microsecond. */
export function compareListings(before: Listing, after: Listing): string[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].toSorted()
  return paths.flatMap((name) => {
    const [was, is] = [before.get(name), after.get(name)]
    if (was === undefined) return [`${name}: added`]
    if (is === undefined) return [`${name}: missing`]
    const fields = (Object.keys(was) as (keyof Entry)[]).filter((key) => !isSame(was, is, key))
    return fields.map((key) => `${name}: ${key} was ${was[key]}, is ${is[key]}`)
  })
}

function isSame(was: Entry, is: Entry, key: keyof Entry): boolean {
  if (key !== 'modified') return was[key] === is[key]
  const difference = was.modified - is.modified
  return difference <= MTIME_TOLERANCE_NS && -difference <= MTIME_TOLERANCE_NS
}

/** How many there are of each kind that has to come back. */
export function countKinds(listing: Listing) {
  const entries = [...listing]
  const count = (is: (entry: Entry, name: string) => boolean): number =>
    entries.filter(([name, entry]) => is(entry, name)).length
  const parents = new Set(entries.map(([name]) => path.posix.dirname(name)))
  return {
    files: count(({ type }) => type === 'file'),
    directories: count(({ type }) => type === 'directory'),
    emptyDirectories: count(({ type }, name) => type === 'directory' && !parents.has(name)),
    symlinks: count(({ type }) => type === 'symlink'),
    symlinksOutOfTheTree: count(({ type, content }) => type === 'symlink' && content[0] === '/'),
    hardLinks: count(({ hardLink }) => hardLink !== ''),
    executables: count(
      ({ type, mode }) => type === 'file' && (Number.parseInt(mode, 8) & 0o111) > 0,
    ),
    readOnlyFiles: count(({ mode }) => mode === '444'),
    privateFiles: count(({ mode }) => mode === '600'),
  }
}

/** One digest over everything but the times, to compare by eye. */
export function digestOf(listing: Listing): string {
  const sorted = [...listing]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, entry]) => [name, { ...entry, modified: undefined }])
  return sha256(Buffer.from(JSON.stringify(sorted)))
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
