import type { ObjectStore, RequestOptions } from './store.ts'

/** An object that is a file, with what a proof needs. */
export interface StoredFile {
  key: string
  size: number
  /** Without quotes; empty where the server tells none. */
  etag: string
  /** Milliseconds since the epoch. */
  modifiedAt: number
  /** What was given when it was written; empty where the server keeps none. */
  metadata: Readonly<Record<string, string>>
}

/** What must be true of the key for a write to happen: nothing is there, or the object with this ETag. */
export type WriteCondition = { absent: true } | { etag: string }

/** What the service says of an object that it has written. */
export interface WrittenFile {
  etag: string
  /** In hex, where the service has worked it out itself of what arrived, and answers it. */
  sha256?: string | undefined
}

/** `changed`: the condition is not met, and nothing was written by this try. An earlier one, whose answer was lost, may have been ours. */
export type FileWrite = WrittenFile | 'changed'

export interface FilePart {
  /** From 1. */
  number: number
  size: number
  etag: string
}

export interface UnfinishedUpload {
  key: string
  uploadId: string
  /** Milliseconds since the epoch. */
  startedAt: number
}

/** What the service takes. */
export interface FileLimits {
  maxPutBytes: number
  maxParts: number
  /** The ETag of an object is the MD5 of its bytes, or for parts the MD5 of their MD5s. */
  etagIsMd5: boolean
}

export interface FileWriteOptions extends RequestOptions {
  condition: WriteCondition
  metadata: Readonly<Record<string, string>>
}

/**
 * Files as objects of their own in a bucket: written on a condition, in parts that a later process can go on with, and with metadata.
 * The requests of one multipart upload may come from several processes; what has arrived is `listParts`.
 *
 * A condition is the service's own where it knows conditions; where it doesn't, the key is looked at just before, and two writers at
 * the same moment may both succeed.
 */
export interface FileStore {
  readonly url: string
  readonly limits: FileLimits
  /** The same place as plain objects, for listing, reading and removing; closing the file store closes it. */
  readonly objects: ObjectStore
  /** `undefined` when there is no such object. */
  head(key: string, options?: RequestOptions): Promise<StoredFile | undefined>
  /** `sha256` is that of the body, in hex: the server refuses what arrives otherwise. */
  put(
    key: string,
    body: Uint8Array,
    options: FileWriteOptions & { sha256: string },
  ): Promise<FileWrite>
  createUpload(
    key: string,
    options: RequestOptions & Pick<FileWriteOptions, 'metadata'>,
  ): Promise<string>
  /** Answers the part's ETag; `undefined` when there is no such upload. */
  putPart(
    upload: { key: string; uploadId: string; number: number },
    body: Uint8Array,
    options?: RequestOptions,
  ): Promise<string | undefined>
  /** In order; `undefined` when there is no such upload. */
  listParts(
    key: string,
    uploadId: string,
    options?: RequestOptions,
  ): Promise<FilePart[] | undefined>
  /** `gone`: there is no such upload; perhaps it was completed by a try whose answer was lost. */
  completeUpload(
    upload: { key: string; uploadId: string; parts: readonly FilePart[] },
    options: RequestOptions & Pick<FileWriteOptions, 'condition'>,
  ): Promise<FileWrite | 'gone'>
  /** Its parts are removed; content when there is no such upload. */
  abortUpload(key: string, uploadId: string, options?: RequestOptions): Promise<void>
  /** Multipart uploads under a prefix that were neither completed nor aborted; the first thousand. */
  listUploads(prefix: string, options?: RequestOptions): Promise<UnfinishedUpload[]>
  close(): Promise<void>
}
