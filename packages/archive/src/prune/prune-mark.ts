import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { BerthError } from '@berth/core/error'
import type { ObjectStore, RequestOptions } from '@berth/object-store'
import { FORMAT } from '../format/format.ts'
import { newerFormat } from '../format/manifest.ts'

/** What a prune has found to be of no use. Its objects are removed by a later prune, if nothing uses them by then. */
export interface PruneMark {
  /** How long the mark must have stood before anything in it is removed. */
  graceMs: number
  /** Snapshots that are to be forgotten. */
  snapshots: { archive: string; snapshot: string; id: string }[]
  /** Keys that no snapshot needs. */
  objects: string[]
}

export interface FoundMark {
  /** The part of its keys that is its own. */
  id: string
  /** By the store's clock, as everything that decides a removal. */
  modifiedAt: number
  /** When its objects had been removed; absent while that is still to be done. */
  sweptAt?: number
  mark: PruneMark
}

const PREFIX = 'prune/'
const MARK = '.json.zst'
const SWEPT = '.swept'

export function markKey(id: string): string {
  return PREFIX + id + MARK
}

/** Beside a mark from the moment on at which all its objects are gone. */
export function sweptKey(id: string): string {
  return PREFIX + id + SWEPT
}

/** An object that tells the store's time by its date. */
export function clockKey(id: string): string {
  return `${PREFIX}${id}.clock`
}

export function encodeMark(mark: PruneMark): Buffer {
  return zstdCompressSync(Buffer.from(JSON.stringify({ format: FORMAT, ...mark })), {
    params: { [constants.ZSTD_c_checksumFlag]: 1 },
  })
}

/** Every mark in the store, swept or not. Throws `archive/bad-mark` or `archive/newer-format` for one that can't be read. */
export async function readMarks(
  store: ObjectStore,
  options: RequestOptions = {},
): Promise<FoundMark[]> {
  const marks = new Map<string, number>()
  const swept = new Map<string, number>()
  for await (const { key, modifiedAt } of store.list(PREFIX, options)) {
    if (key.endsWith(MARK)) marks.set(key.slice(PREFIX.length, -MARK.length), modifiedAt)
    else if (key.endsWith(SWEPT)) swept.set(key.slice(PREFIX.length, -SWEPT.length), modifiedAt)
  }
  const found = await Promise.all(
    [...marks].map(async ([id, modifiedAt]): Promise<FoundMark | undefined> => {
      const bytes = await store.get(markKey(id), options)
      if (bytes === undefined) return undefined
      const sweptAt = swept.get(id)
      const mark = decodeMark(bytes, markKey(id))
      return { id, modifiedAt, mark, ...(sweptAt === undefined ? {} : { sweptAt }) }
    }),
  )
  return found.filter((mark) => mark !== undefined)
}

function decodeMark(bytes: Buffer, key: string): PruneMark {
  let parsed: Partial<PruneMark> & { format?: unknown }
  try {
    parsed = JSON.parse(zstdDecompressSync(bytes).toString('utf8')) as typeof parsed
  } catch (cause) {
    throw badMark(key, (cause as Error).message)
  }
  const { format, graceMs, snapshots, objects } = parsed
  if (typeof format === 'number' && format > FORMAT) throw newerFormat(key, format)
  if (typeof graceMs !== 'number' || !Array.isArray(snapshots) || !Array.isArray(objects))
    throw badMark(key, 'fields are missing')
  return { graceMs, snapshots, objects }
}

function badMark(key: string, why: string): BerthError {
  return new BerthError('archive/bad-mark', `could not read ${key}: ${why}`, {
    hint: `remove it if no prune of another berth is under way; the next prune then begins anew`,
  })
}
