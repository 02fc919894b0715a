import type { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { createS3Client } from './s3-client.ts'
import { S3Failure } from './s3-failure.ts'
import type { Patience } from './patience.ts'
import type { S3Settings } from './settings.ts'
import type { ByteRange, ObjectInfo } from './store.ts'

export interface S3Body {
  stream: Readable
  /** Of the body, not of the object. */
  length: number
  /** Where in the object the body starts. */
  start: number
  etag: string | undefined
}

export interface S3Page {
  objects: ObjectInfo[]
  next: string | undefined
}

export interface S3RemoveError {
  key: string
  code: string
  message: string
}

/** Where a listing begins, and how much of it to ask for. */
export interface S3PageRequest {
  prefix: string
  token?: string | undefined
  startAfter?: string | undefined
  limit?: number | undefined
}

export interface S3GetRequest {
  range: ByteRange | undefined
  ifMatch: string | undefined
  signal: Signal
}

type Signal = AbortSignal | undefined

/** One try of each request that the store makes, with full keys; throws what the SDK throws. Retries are the caller's. */
export class S3Requests {
  private readonly client: S3Client
  private readonly settings: S3Settings

  constructor(settings: S3Settings, patience: Patience) {
    this.settings = settings
    this.client = createS3Client(settings, patience)
  }

  async get(key: string, request: S3GetRequest): Promise<S3Body> {
    const { range, ifMatch, signal } = request
    const answer = await this.client.send(
      new GetObjectCommand({
        ...this.object(key),
        ...this.encryption(),
        ...(range && { Range: `bytes=${range.start}-${range.end - 1}` }),
        ...(ifMatch !== undefined && { IfMatch: `"${ifMatch}"` }),
      }),
      { ...(signal && { abortSignal: signal }) },
    )
    const stream = answer.Body as Readable
    try {
      return { stream, ...describeBody(answer, range) }
    } catch (error) {
      // An unread body would hold its socket for ever.
      stream.destroy()
      throw error
    }
  }

  async put(
    key: string,
    body: Uint8Array,
    { ifAbsent, signal }: { ifAbsent: boolean; signal: Signal },
  ): Promise<void> {
    const { storageClass } = this.settings
    const answer = await this.client.send(
      new PutObjectCommand({
        ...this.object(key),
        ...this.encryption(),
        Body: body,
        ContentLength: body.byteLength,
        ContentType: 'application/octet-stream',
        ...(ifAbsent && { IfNoneMatch: '*' }),
        ...(storageClass !== undefined && { StorageClass: storageClass as 'STANDARD' }),
      }),
      { ...(signal && { abortSignal: signal }) },
    )
    // Some servers say 200 before they know, and put the error into the body.
    if (answer.ETag === undefined) throw new S3Failure('retry', 'the server confirmed no ETag')
    if (this.settings.customerKey !== undefined && answer.SSECustomerAlgorithm === undefined) {
      throw new S3Failure('not-encrypted', 'the server ignored the customer key (SSE-C)')
    }
  }

  async head(key: string, signal: Signal): Promise<Omit<ObjectInfo, 'key'>> {
    const answer = await this.client.send(
      new HeadObjectCommand({ ...this.object(key), ...this.encryption() }),
      { ...(signal && { abortSignal: signal }) },
    )
    requireObject(answer)
    return objectFacts(answer.ContentLength, answer.LastModified, answer.ETag)
  }

  async listPage(request: S3PageRequest, signal: Signal): Promise<S3Page> {
    const answer = await this.client.send(
      new ListObjectsV2Command({
        Bucket: this.settings.bucket,
        Prefix: request.prefix,
        ContinuationToken: request.token,
        StartAfter: request.startAfter,
        MaxKeys: request.limit,
      }),
      { ...(signal && { abortSignal: signal }) },
    )
    // An answer without any of its fields is an error page, and must not pass for an empty bucket.
    if (answer.Name === undefined && answer.KeyCount === undefined) {
      throw new S3Failure('retry', 'the server answered a listing with something else')
    }
    const objects = (answer.Contents ?? []).flatMap((entry) =>
      entry.Key === undefined
        ? []
        : [{ key: entry.Key, ...objectFacts(entry.Size, entry.LastModified, entry.ETag) }],
    )
    return { objects, next: answer.IsTruncated ? (answer.NextContinuationToken ?? '') : undefined }
  }

  async removeOne(key: string, signal: Signal): Promise<void> {
    await this.client.send(new DeleteObjectCommand(this.object(key)), {
      ...(signal && { abortSignal: signal }),
    })
  }

  /** At most 1000 keys. */
  async removeMany(keys: readonly string[], signal: Signal): Promise<S3RemoveError[]> {
    const answer = await this.client.send(
      new DeleteObjectsCommand({
        Bucket: this.settings.bucket,
        Delete: { Objects: keys.map((Key) => ({ Key })) },
      }),
      { ...(signal && { abortSignal: signal }) },
    )
    const removed = new Set((answer.Deleted ?? []).map(({ Key }) => Key))
    const errors = (answer.Errors ?? []).map((error) => ({
      key: error.Key ?? '',
      code: error.Code ?? 'Unknown',
      message: error.Message ?? '',
    }))
    const named = new Set(errors.map(({ key }) => key))
    const silent = keys.filter((key) => !removed.has(key) && !named.has(key))
    return [
      ...errors,
      ...silent.map((key) => ({ key, code: 'Unconfirmed', message: 'the server did not say' })),
    ]
  }

  close(): void {
    this.client.destroy()
  }

  private object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.settings.bucket, Key: key }
  }

  private encryption(): { SSECustomerAlgorithm: string; SSECustomerKey: string } | undefined {
    const { customerKey } = this.settings
    return customerKey === undefined
      ? undefined
      : { SSECustomerAlgorithm: 'AES256', SSECustomerKey: customerKey }
  }
}

function describeBody(
  answer: {
    ContentLength?: number | undefined
    ContentRange?: string | undefined
    ETag?: string | undefined
    LastModified?: Date | undefined
  },
  range: ByteRange | undefined,
): Omit<S3Body, 'stream'> {
  requireObject(answer)
  const etag = unquote(answer.ETag)
  const length = answer.ContentLength
  if (length === undefined)
    throw new S3Failure('retry', 'the server sent a body without its length')
  if (range === undefined || answer.ContentRange === undefined) return { length, start: 0, etag }

  const found = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.ContentRange)
  const [start, total] = [Number(found?.[1]), Number(found?.[2])]
  if (start !== range.start || length !== Math.min(range.end, total) - start) {
    throw new S3Failure('retry', `the server sent another range: ${answer.ContentRange}`)
  }
  return { length, start, etag }
}

/** Some servers say 200 to a request that failed; their error page has neither of what every object has. */
function requireObject(answer: {
  ETag?: string | undefined
  LastModified?: Date | undefined
}): void {
  if (answer.ETag === undefined && answer.LastModified === undefined) {
    throw new S3Failure('retry', 'the server sent something that is no object')
  }
}

function objectFacts(
  size: number | undefined,
  modified: Date | undefined,
  quoted: string | undefined,
): Omit<ObjectInfo, 'key'> {
  const etag = unquote(quoted)
  return {
    size: size ?? 0,
    modifiedAt: modified?.getTime() ?? 0,
    ...(etag !== undefined && { etag }),
  }
}

function unquote(etag: string | undefined): string | undefined {
  return etag?.replaceAll(/^"|"$/g, '')
}
