import * as fs from 'node:fs'
import * as path from 'node:path'

/** What a restore has to bring back of one entry, as far as programs differ in it. */
export interface Entry {
  type: 'file' | 'directory' | 'link'
  /** 0 but for files. */
  size: number
  mode: number
  /** Whole seconds: what Python compares. */
  modified: number
}

/** Path below the tree to entry, parents first. */
export type Listing = Map<string, Entry>

export function listTree(root: string): Listing {
  const listing: Listing = new Map()
  const visit = (folder: string): void => {
    for (const { name } of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const entry = folder === '' ? name : `${folder}/${name}`
      const stat = fs.lstatSync(path.join(root, entry))
      const type = stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'file'
      listing.set(entry, {
        type,
        size: type === 'file' ? stat.size : 0,
        mode: stat.mode & 0o7777,
        modified: Math.floor(stat.mtimeMs / 1000),
      })
      if (type === 'directory') visit(entry)
    }
  }
  visit('')
  return listing
}

/** From here on Berth stores a file in segments rather than in a group. */
export const LONG_FILE_BYTES = 4 * 2 ** 20

/** What makes one tree as hard to restore as another. */
export interface Census {
  files: number
  directories: number
  links: number
  bytes: number
  /** Up to 16 KiB, where the calls to the kernel decide; the others are decided by bytes. */
  smallFiles: number
  smallBytes: number
  /** Over `LONG_FILE_BYTES`. */
  bigFiles: number
  bigBytes: number
  /** In the fullest directory. */
  mostInOne: number
}

export function takeCensus(listing: Listing): Census {
  const entries = [...listing.values()]
  const files = entries.filter(({ type }) => type === 'file')
  const small = files.filter(({ size }) => size <= 16 * 1024)
  const big = files.filter(({ size }) => size > LONG_FILE_BYTES)
  const inFolder = new Map<string, number>()
  for (const [name, { type }] of listing) {
    const folder = path.dirname(name)
    if (type === 'file') inFolder.set(folder, (inFolder.get(folder) ?? 0) + 1)
  }
  return {
    files: files.length,
    directories: entries.filter(({ type }) => type === 'directory').length,
    links: entries.filter(({ type }) => type === 'link').length,
    bytes: sumSizes(files),
    smallFiles: small.length,
    smallBytes: sumSizes(small),
    bigFiles: big.length,
    bigBytes: sumSizes(big),
    mostInOne: [...inFolder.values()].reduce((most, number) => Math.max(most, number), 0),
  }
}

/** What of a tree did not come back as it was, in words: `12 links missing`. Empty when all of it did. */
export function compareTrees(wanted: Listing, found: Listing): string[] {
  const counts = new Map<string, number>()
  const note = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1)
  const plural = { file: 'files', directory: 'directories', link: 'links' }
  for (const [name, entry] of wanted) {
    const other = found.get(name)
    if (other?.type !== entry.type) note(`${plural[entry.type]} missing`)
    else if (other.size !== entry.size) note('sizes changed')
    else if (entry.type !== 'link' && other.mode !== entry.mode) note('modes changed')
    else if (entry.type === 'file' && other.modified !== entry.modified) note('times changed')
  }
  for (const name of found.keys()) if (!wanted.has(name)) note('added')
  return [...counts].map(([what, number]) => `${number} ${what}`)
}

function sumSizes(entries: readonly Entry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0)
}
