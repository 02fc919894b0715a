/** Bytes [start, end) of an object; `end` is exclusive. */
export interface ByteRange {
  start: number
  end: number
}

export interface ObjectInfo {
  key: string
  size: number
  /** Milliseconds since the epoch. */
  modifiedAt: number
  /** The server's ETag without quotes; absent in a directory. */
  etag?: string
}

export type PutResult = 'written' | 'exists'

export interface RequestOptions {
  signal?: AbortSignal | undefined
}

export interface PutOptions extends RequestOptions {
  ifAbsent?: boolean
  /** Of the body, in hex, where it is known already: to find it out takes longer than to send the body to a near server. */
  sha256?: string
}

/** Takes bytes that are only good until it returns or its promise resolves; nothing more is read meanwhile. */
export type ByteSink = (bytes: Buffer) => void | Promise<void>

export interface GetOptions extends RequestOptions {
  range?: ByteRange
  /**
   * One of many large objects: the bytes lie in shared memory, ready for worker threads, and the driver may read in a way that is
   * faster but costs a second request when the object is missing.
   */
  bulk?: boolean
}

export interface StreamOptions extends RequestOptions {
  range?: ByteRange | undefined
}

/**
 * Where archives and files live: a directory or a bucket under a prefix.
 *
 * Keys are relative paths with `/`, without a leading slash, `.` or `..` components (`object-store/bad-key`). Objects appear whole
 * or not at all. Every method retries what is worth retrying, may be called concurrently, stops when its signal aborts, and throws
 * BerthErrors with a code `object-store/…` for what a user can cure.
 */
export interface ObjectStore {
  /** The URL without credentials, for messages. */
  readonly url: string
  /** Whether `ifAbsent` is really exclusive here. Found out once by a probe that writes and removes one object. */
  supportsConditionalWrites(options?: RequestOptions): Promise<boolean>
  /**
   * The object's bytes, or `undefined` when there is no such object. Never short: a body that ends early is continued or an error.
   * A range is cut at the end of the object; one that starts there or later is empty.
   */
  get(key: string, options?: GetOptions): Promise<Buffer | undefined>
  /**
   * Passes the object's bytes on in order, as they come and only as fast as the sink takes them; a body that ends early is continued
   * where it ended. Answers how many there were, or `undefined` when there is no such object. What the sink throws ends it.
   */
  stream(key: string, sink: ByteSink, options?: StreamOptions): Promise<number | undefined>
  /** Many reads are about to begin: opens so many connections ahead, where that saves time. */
  expectReads(count: number): void
  /**
   * With `ifAbsent`, an existing object stays and the answer is `exists`; where conditional writes don't work this is looked up first,
   * and two writers at once may both succeed. Idempotent: after a lost answer the put is repeated, and an object with equal bytes
   * counts as our own write.
   */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<PutResult>
  /** `undefined` when there is no such object; a 403 is confirmed by a listing before it counts as missing. */
  head(key: string, options?: RequestOptions): Promise<ObjectInfo | undefined>
  /** Every object whose key starts with the prefix, in key order, from the first key greater than `after` on. A store that does not exist yet is empty. */
  list(prefix: string, options?: RequestOptions & { after?: string }): AsyncIterable<ObjectInfo>
  /** Missing keys are no error. Throws `object-store/remove-failed` naming the keys that are left. */
  remove(keys: readonly string[], options?: RequestOptions): Promise<void>
  close(): Promise<void>
}
