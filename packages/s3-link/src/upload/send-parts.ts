import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { FilePart, FileStore, WriteCondition } from '@berth/object-store'
import { readFully, type FileDigest } from './digest.ts'
import { areEqual, type FileFacts } from './file-facts.ts'
import type { OwnWrite } from './prove.ts'
import type { SendRequest } from './send-file.ts'

/** An upload in parts that a later process can go on with. */
export interface OpenUpload {
  key: string
  uploadId: string
  partBytes: number
  facts: FileFacts
  sha256: string
  /** In its metadata. */
  token: string
}

/** What became of a write; with the token that is in the object's metadata. */
export type WriteResult = OwnWrite | 'changed' | 'gone' | 'torn'

interface PartsRequest {
  file: FileHandle
  facts: FileFacts
  digest: FileDigest
  partBytes: number
  key: string
  condition: WriteCondition
  token: string
  metadata: Record<string, string>
  request: SendRequest
}

const mebibyte = 1024 * 1024
const PART_BYTES = 16 * mebibyte
const PARTS_AT_ONCE = 4

/** How large a file may be that is sent whole. */
export function mostWholeBytes(limits: FileStore['limits']): number {
  return Math.min(PART_BYTES, limits.maxPutBytes)
}

/** How large the parts of a file are; a file that is no larger is sent whole. All parts but the last are equal: R2 wants that. */
export function partBytesFor(size: number, limits: FileStore['limits']): number {
  const least = Math.ceil(size / limits.maxParts / mebibyte) * mebibyte
  return Math.min(Math.max(PART_BYTES, least), limits.maxPutBytes)
}

/**
 * Sends what has not arrived yet, and completes. The upload is on record before its first part, and taken off the record when there is
 * nothing left to go on with. `changed`: the condition is no longer met. `torn`: the file was written to meanwhile.
 */
export async function sendParts(job: PartsRequest): Promise<WriteResult> {
  const { key, condition, request } = job
  const { store, signal } = request
  const { uploadId, token, arrived } = await findOrCreate(job)
  const parts = await sendMissing(job, uploadId, arrived)
  if (parts === 'gone') {
    await request.saveUpload(undefined)
    return 'gone'
  }
  const written =
    parts === 'torn'
      ? 'torn'
      : await store.completeUpload({ key, uploadId, parts }, { condition, signal })
  // What stays behind would be kept, and paid for.
  if (written === 'changed' || written === 'torn')
    await store.abortUpload(key, uploadId, { signal })
  await request.saveUpload(undefined)
  return typeof written === 'string' ? written : { ...written, token }
}

/** The upload that was begun before, with those of its parts that are the file's; or a new one. */
async function findOrCreate(
  job: PartsRequest,
): Promise<{ uploadId: string; token: string; arrived: Map<number, FilePart> }> {
  const { facts, digest, partBytes, key, metadata, token, request } = job
  const { store, signal, upload } = request
  if (upload !== undefined) {
    const isSame =
      upload.key === key &&
      upload.partBytes === partBytes &&
      upload.sha256 === digest.sha256 &&
      areEqual(upload.facts, facts)
    const listed = isSame ? await store.listParts(key, upload.uploadId, { signal }) : undefined
    if (listed !== undefined) {
      const whole = listed.filter(({ number, etag, size }) => {
        const md5 = digest.partMd5s[number - 1]?.toString('hex')
        return etag === md5 && size === lengthOf(job, number)
      })
      const arrived = new Map(whole.map((part) => [part.number, part]))
      return { uploadId: upload.uploadId, token: upload.token, arrived }
    }
    if (!isSame) await store.abortUpload(upload.key, upload.uploadId, { signal })
  }
  const uploadId = await store.createUpload(key, { metadata, signal })
  await request.saveUpload({ key, uploadId, partBytes, facts, sha256: digest.sha256, token })
  return { uploadId, token, arrived: new Map() }
}

/** `gone`: there is no such upload any more. `torn`: a part is no longer what it was when it was hashed. */
async function sendMissing(
  job: PartsRequest,
  uploadId: string,
  arrived: Map<number, FilePart>,
): Promise<FilePart[] | 'gone' | 'torn'> {
  const { file, digest, partBytes, key, request } = job
  const missing = digest.partMd5s.map((_, index) => index + 1).filter((n) => !arrived.has(n))
  let broken: 'gone' | 'torn' | undefined
  const work = async (): Promise<void> => {
    for (
      let number = missing.shift();
      number !== undefined && broken === undefined;
      number = missing.shift()
    ) {
      const body = Buffer.allocUnsafe(lengthOf(job, number))
      const isRead = await readFully(file, body, (number - 1) * partBytes)
      if (!isRead || !isPart(body, digest.partMd5s[number - 1])) {
        broken = 'torn'
        return
      }
      const { signal } = request
      await request.pace?.(body.length)
      const etag = await request.store.putPart({ key, uploadId, number }, body, { signal })
      if (etag === undefined) broken = 'gone'
      else arrived.set(number, { number, size: body.length, etag })
    }
  }
  const workers = Array.from({ length: PARTS_AT_ONCE }, work)
  // All of them end before the file is closed.
  const ends = await Promise.allSettled(workers)
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return broken ?? [...arrived.values()]
}

function isPart(body: Buffer, md5: Buffer | undefined): boolean {
  return md5?.equals(createHash('md5').update(body).digest()) ?? false
}

function lengthOf({ facts, partBytes }: PartsRequest, number: number): number {
  return Math.min(partBytes, facts.size - (number - 1) * partBytes)
}
