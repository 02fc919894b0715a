import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { BerthError, isBerthError } from '@berth/core/error'
import { hasErrno } from '@berth/filesystem'
import type { FileStore, WriteCondition } from '@berth/object-store'
import { mayOverwriteRemote } from './decisions.ts'
import { digestFile, etagOfParts, readFully, sha256Of } from './digest.ts'
import { areEqual, factsOf, mtimeText, type FileFacts } from './file-facts.ts'
import type { FileReader, ReadFile } from './file-reader.ts'
import { conflictKey } from './key.ts'
import {
  holdsContent,
  isProvenByAnswer,
  metadataNames,
  type Content,
  type OwnWrite,
} from './prove.ts'
import {
  mostWholeBytes,
  partBytesFor,
  sendParts,
  type OpenUpload,
  type WriteResult,
} from './send-parts.ts'

/** A file whose bytes are proven to be in S3. */
export interface SentFile {
  facts: FileFacts
  sha256: string
  key: string
  etag: string
  /** Another's object has the file's own key, and both are kept. */
  isConflict: boolean
  /** What went over the network; 0 when S3 had it already. */
  bytes: number
}

/** `changed`: it was written to while it was read; `gone`: there is no such regular file. Nothing of it is in S3 then. */
export type SendResult = SentFile | 'changed' | 'gone'

export interface SendRequest {
  store: FileStore
  path: Buffer
  key: string
  /** What we wrote for this very file before; asked of the file that was opened. */
  known?: (facts: FileFacts) => { key: string; etag: string } | undefined
  /** S3 may well have it: the object is looked at before a body is sent. */
  looksFirst?: boolean
  /** An upload in parts that was begun before. */
  upload?: OpenUpload | undefined
  /** Must be on the disk when it resolves: parts that nobody knows of cost money for ever. */
  saveUpload: (upload: OpenUpload | undefined) => Promise<void>
  /** Reads files that are sent whole, out of the way of what is sent. */
  reader?: FileReader | undefined
  /** Asked before each body: resolves when so many bytes may be sent. */
  pace?: ((bytes: number) => Promise<void>) | undefined
  signal?: AbortSignal | undefined
}

/** Content, and how to write it under a key. */
export interface Parcel extends Content {
  facts: FileFacts
  write: (
    key: string,
    condition: WriteCondition,
    stamp: { token: string; metadata: Record<string, string> },
  ) => Promise<WriteResult>
}

const MAX_ROUNDS = 6

/**
 * Puts a file into S3 and proves that it is there. An object of someone else's, or of an earlier file of that name, is never replaced:
 * the file then goes under `name~<hash>`. What we wrote ourselves is replaced only while it is still what we wrote. May run again at any
 * time; what S3 has already is not sent again.
 */
export async function sendFile(request: SendRequest): Promise<SendResult> {
  const { reader, path, store, signal } = request
  const read = await reader?.read(path, mostWholeBytes(store.limits), signal)
  if (read === undefined || read === 'large') return sendOpened(request)
  if (typeof read === 'string') return read
  const sent = await deliver(wholeParcel(read, request), request)
  // Whatever became of the others, something may still be reading from their memory.
  if (typeof sent !== 'string' && sent.bytes === read.facts.size) read.release()
  return sent
}

async function sendOpened(request: SendRequest): Promise<SendResult> {
  let file: FileHandle
  try {
    file = await open(
      request.path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    )
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO')) return 'gone'
    throw error
  }
  try {
    const status = await file.stat({ bigint: true })
    if (!status.isFile()) return 'gone'
    const facts = factsOf(status)
    const parcel = await pack(file, facts, request)
    if (parcel === undefined || !areEqual(facts, factsOf(await file.stat({ bigint: true }))))
      return 'changed'
    return await deliver(parcel, request)
  } finally {
    await file.close()
  }
}

async function pack(
  file: FileHandle,
  facts: FileFacts,
  request: SendRequest,
): Promise<Parcel | undefined> {
  const { store, signal } = request
  const { size } = facts
  const partBytes = partBytesFor(size, store.limits)
  if (size > partBytes) {
    const digest = await digestFile(file, { size, partBytes, signal })
    if (digest === undefined) return undefined
    return {
      size,
      facts,
      sha256: digest.sha256,
      etag: () => etagOfParts(digest.partMd5s),
      write: (key, condition, stamp) =>
        sendParts({ file, facts, digest, partBytes, key, condition, ...stamp, request }),
    }
  }
  const body = Buffer.allocUnsafeSlow(size)
  if (!(await readFully(file, body, 0))) return undefined
  return wholeParcel({ facts, body, sha256: await sha256Of(body), md5: undefined }, request)
}

function wholeParcel(
  { facts, body, sha256, md5 }: Pick<ReadFile, 'facts' | 'body' | 'sha256' | 'md5'>,
  request: SendRequest,
): Parcel {
  const { size } = facts
  const { store, signal } = request
  return {
    size,
    facts,
    sha256,
    etag: () => md5 ?? createHash('md5').update(body).digest('hex'),
    write: async (key, condition, { token, metadata }) => {
      await request.pace?.(size)
      const written = await store.put(key, body, { condition, metadata, sha256, signal })
      return typeof written === 'string' ? written : { ...written, token }
    },
  }
}

/** Under the file's own key, or where that is another's, under one that holds the hash. */
async function deliver(parcel: Parcel, request: SendRequest): Promise<SendResult> {
  const { sha256 } = parcel
  const keys = [
    request.key,
    conflictKey(request.key, sha256),
    conflictKey(request.key, sha256, true),
  ]
  for (const key of keys) {
    const sent = await deliverTo(key, parcel, request)
    if (sent !== 'keep-both') return sent
  }
  throw new BerthError(
    's3-link/not-proven',
    `could not prove that \`${request.key}\` is in ${request.store.url}: what is there is not what was sent`,
    { hint: 'look for another program that writes the same keys; it is tried again' },
  )
}

/** Looks, decides, and writes on the condition of what was seen. The answer is the proof where it can be, else another look is. */
async function deliverTo(
  key: string,
  parcel: Parcel,
  request: SendRequest,
): Promise<SendResult | 'keep-both'> {
  const { store, signal } = request
  const { facts, sha256 } = parcel
  const before = request.known?.(facts)
  const known = before?.key === key ? before.etag : undefined
  let own: OwnWrite | undefined
  let bytes = 0
  // For a small new file the write itself is the look: its condition fails when there is something.
  const looksFirst = known !== undefined || request.looksFirst || !isSmall(parcel, store)
  let found = looksFirst ? await store.head(key, { signal }) : undefined
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const holdsSame =
      found !== undefined && (await holdsContent(store, found, { content: parcel, own, signal }))
    if (found !== undefined && holdsSame) {
      return { facts, sha256, key, etag: found.etag, isConflict: key !== request.key, bytes }
    }
    const decision = mayOverwriteRemote({ etag: found?.etag, etagWeWrote: known, holdsSame })
    if (decision === 'keep-both') return decision
    const condition = found === undefined ? { absent: true as const } : { etag: found.etag }
    const token = randomUUID()
    const metadata = metadataOf(parcel, request, token)
    const written = await writeOr(() => parcel.write(key, condition, { token, metadata }))
    if (written === 'torn') return 'changed'
    if (written === 'name-taken') return 'keep-both'
    if (typeof written !== 'string') {
      own = written
      bytes += parcel.size
      if (request.reader !== undefined && written.sha256 === undefined)
        request.reader.wantsMd5 = store.limits.etagIsMd5
      if (isProvenByAnswer(store, written, parcel))
        return { facts, sha256, key, etag: written.etag, isConflict: key !== request.key, bytes }
    }
    found = await store.head(key, { signal })
  }
  return 'keep-both'
}

/** A service over a file system can't have `a` and `a/b`. */
async function writeOr(write: () => Promise<WriteResult>): Promise<WriteResult | 'name-taken'> {
  try {
    return await write()
  } catch (error) {
    if (isBerthError(error, 'object-store/not-a-directory')) return 'name-taken'
    throw error
  }
}

function isSmall({ size }: Parcel, store: FileStore): boolean {
  return size <= partBytesFor(size, store.limits)
}

function metadataOf(parcel: Parcel, request: SendRequest, token: string): Record<string, string> {
  return {
    mtime: mtimeText(parcel.facts),
    [metadataNames.sha256]: parcel.sha256,
    [metadataNames.token]: token,
    // A key can't hold every name.
    ...(!request.path.toString('utf8').endsWith(request.key) && {
      [metadataNames.name]: request.path.subarray(-700).toString('base64url'),
    }),
  }
}
