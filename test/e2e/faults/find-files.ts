import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ObjectStore } from '@berth/object-store'

/** A file that an app has closed without an error. */
export interface WrittenFile {
  /** In its folder. */
  name: string
  bytes: number
  sha256: string
}

export interface WriterLog {
  written: WrittenFile[]
  /** The codes of what could not be closed. */
  failed: string[]
  /** Their names. */
  failedNames: string[]
  /** How much of a big file is written. */
  progress: number
  isOver: boolean
}

export function readWriterLog(file: string): WriterLog {
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  // The last line may be half written.
  const lines = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
  const said = lines.map((line) => JSON.parse(line))
  return {
    written: said.filter(({ sha256 }) => sha256 !== undefined) as WrittenFile[],
    failed: said.filter(({ failed }) => failed !== undefined).map(({ code }) => String(code)),
    failedNames: said.flatMap(({ failed }) => (failed === undefined ? [] : [String(failed)])),
    progress: Math.max(0, ...said.map(({ progress }) => Number(progress ?? 0))),
    isOver: said.some(({ end }) => end === true),
  }
}

export interface Places {
  store: ObjectStore
  /** Of the folder in the bucket, with a slash at its end. */
  prefix: string
  /** Folders on this machine by what they are called in the answer. */
  folders: Record<string, string>
}

export interface FoundFiles {
  /** In the bucket under its own name, under another, then each folder: how many files were found there and nowhere before. */
  places: Record<string, { files: number; bytes: number }>
  /** In none of them. */
  lost: WrittenFile[]
}

/** Looks for the content of every file in all places that there are. */
export async function findFiles(
  written: readonly WrittenFile[],
  { store, prefix, folders }: Places,
): Promise<FoundFiles> {
  const wanted = new Set(written.map(({ bytes }) => bytes))
  const inBucket = new Map<string, string>()
  for await (const { key, size } of store.list(prefix)) {
    if (!wanted.has(size)) continue
    const hash = createHash('sha256')
    await store.stream(key, (bytes) => void hash.update(bytes))
    inBucket.set(key, hash.digest('hex'))
  }
  const sums = new Set(inBucket.values())
  const found: FoundFiles = { places: {}, lost: [] }
  const onDisk = Object.entries(folders).map(([place, folder]) => {
    return [place, new Set(sumsBelow(folder, wanted))] as const
  })
  for (const file of written) {
    const place =
      inBucket.get(`${prefix}${file.name}`) === file.sha256
        ? 'bucket'
        : sums.has(file.sha256)
          ? 'bucket, another name'
          : onDisk.find(([, hashes]) => hashes.has(file.sha256))?.[0]
    if (place === undefined) {
      found.lost.push(file)
      continue
    }
    const count = (found.places[place] ??= { files: 0, bytes: 0 })
    count.files += 1
    count.bytes += file.bytes
  }
  return found
}

function sumsBelow(folder: string, sizes: ReadonlySet<number>): string[] {
  if (!fs.existsSync(folder)) return []
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(folder, entry.name)
    // Where a bucket is mounted is no place of its own.
    if (entry.isDirectory()) return entry.name === 'mount' ? [] : sumsBelow(full, sizes)
    if (!entry.isFile() || !sizes.has(fs.statSync(full).size)) return []
    return [createHash('sha256').update(fs.readFileSync(full)).digest('hex')]
  })
}
