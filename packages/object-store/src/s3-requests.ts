import type { Readable } from 'node:stream'
import type { GetObjectCommandInput } from '@aws-sdk/client-s3'
import { describeBody, requireObject, streamBody, unquote } from './s3-answer.ts'
import { S3LeanReader } from './s3-lean.ts'
import { S3Sdk } from './s3-sdk.ts'
import { S3Failure } from './s3-failure.ts'
import type { Patience } from './patience.ts'
import type { S3Settings } from './settings.ts'
import type { ByteRange, ByteSink, ObjectInfo } from './store.ts'

export interface S3Body {
  /** Passes the bytes on as they come and as the sink takes them; resolves at the end of the body, short or not. */
  read: (sink: ByteSink, signal: Signal) => Promise<void>
  /** Gives up a body that is not read to its end: an unread one would hold its socket for ever. */
  discard: () => void
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
  /** Large: worth the lean reader even where only the SDK can sign. */
  bulk: boolean
  range: ByteRange | undefined
  ifMatch: string | undefined
  signal: Signal
}

type Signal = AbortSignal | undefined

/** One try of each request that the store makes, with full keys; throws what the SDK throws. Retries are the caller's. */
export class S3Requests {
  private readonly settings: S3Settings
  readonly sdk: S3Sdk
  private readonly lean: S3LeanReader

  constructor(settings: S3Settings, patience: Patience) {
    this.settings = settings
    this.sdk = new S3Sdk(settings, patience)
    this.lean = new S3LeanReader(settings, { sdk: this.sdk, patience })
  }

  /** Opens connections for reads that are about to begin. */
  expectReads(count: number): void {
    this.lean.connect(count)
  }

  async get(key: string, request: S3GetRequest): Promise<S3Body> {
    const { range, ifMatch } = request
    const input = {
      ...this.object(key),
      ...this.encryption(),
      ...(range && { Range: `bytes=${range.start}-${range.end - 1}` }),
      ...(ifMatch !== undefined && { IfMatch: `"${ifMatch}"` }),
    }
    const body = await this.lean.get(input, request)
    if (body !== undefined) return body
    return this.getWithSdk(input, request)
  }

  private async getWithSdk(
    input: GetObjectCommandInput,
    { range, signal }: S3GetRequest,
  ): Promise<S3Body> {
    const answer = await (
      await this.sdk.client()
    ).getObject(input, {
      ...(signal && { abortSignal: signal }),
    })
    const body = streamBody(answer.Body as Readable)
    try {
      return { ...body, ...describeBody(answer, range) }
    } catch (error) {
      body.discard()
      throw error
    }
  }

  async put(
    key: string,
    body: Uint8Array,
    { ifAbsent, sha256, signal }: { ifAbsent: boolean; sha256: string | undefined; signal: Signal },
  ): Promise<void> {
    const { storageClass } = this.settings
    const input = {
      ...this.object(key),
      ...this.encryption(),
      Body: body,
      ContentLength: body.byteLength,
      ContentType: 'application/octet-stream',
      ...(ifAbsent && { IfNoneMatch: '*' }),
      ...(storageClass !== undefined && { StorageClass: storageClass as 'STANDARD' }),
    }
    const sending = signal && { abortSignal: signal }
    const { client, putObject } = await this.sdk.load()
    const answer = await (sha256 === undefined
      ? client.putObject(input, { ...sending })
      : putObject(client, input, { sha256, ...sending }))
    // Some servers say 200 before they know, and put the error into the body.
    if (answer.ETag === undefined) throw new S3Failure('retry', 'the server confirmed no ETag')
    if (this.settings.customerKey !== undefined && answer.SSECustomerAlgorithm === undefined) {
      throw new S3Failure('not-encrypted', 'the server ignored the customer key (SSE-C)')
    }
  }

  async head(key: string, signal: Signal): Promise<Omit<ObjectInfo, 'key'>> {
    const answer = await (
      await this.sdk.client()
    ).headObject(
      { ...this.object(key), ...this.encryption() },
      { ...(signal && { abortSignal: signal }) },
    )
    requireObject(answer)
    return objectFacts(answer.ContentLength, answer.LastModified, answer.ETag)
  }

  async listPage(request: S3PageRequest, signal: Signal): Promise<S3Page> {
    const page = await this.lean.listPage(request, signal)
    if (page !== undefined) return page
    const answer = await (
      await this.sdk.client()
    ).listObjectsV2(
      {
        Bucket: this.settings.bucket,
        Prefix: request.prefix,
        ContinuationToken: request.token,
        StartAfter: request.startAfter,
        MaxKeys: request.limit,
      },
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
    await (
      await this.sdk.client()
    ).deleteObject(this.object(key), {
      ...(signal && { abortSignal: signal }),
    })
  }

  /** At most 1000 keys. */
  async removeMany(keys: readonly string[], signal: Signal): Promise<S3RemoveError[]> {
    const answer = await (
      await this.sdk.client()
    ).deleteObjects(
      {
        Bucket: this.settings.bucket,
        Delete: { Objects: keys.map((Key) => ({ Key })) },
      },
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
    this.lean.close()
    this.sdk.close()
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
