import type { S3 } from '@aws-sdk/client-s3'
import { requireObject, unquote } from './s3-answer.ts'
import { readFailure, S3Failure } from './s3-failure.ts'
import { S3LeanWriter, type LeanReply } from './s3-lean-writer.ts'
import type {
  FilePart,
  StoredFile,
  UnfinishedUpload,
  WriteCondition,
  WrittenFile,
} from './file-store.ts'
import type { S3Session } from './s3-session.ts'

type Signal = AbortSignal | undefined

interface PlacedUpload {
  key: string
  uploadId: string
}

interface PutFacts {
  condition: WriteCondition | undefined
  metadata: Readonly<Record<string, string>>
  /** Of the body, in hex. */
  sha256: string
  signal: Signal
}

/** One try of each request that files need, with full keys; throws what the SDK throws. Retries are the caller's. */
export class S3FileRequests {
  private readonly session: S3Session

  private readonly lean: S3LeanWriter
  private asksForChecksum: boolean

  constructor(session: S3Session) {
    this.session = session
    this.asksForChecksum = session.settings.provider.etagIsMd5
    this.lean = new S3LeanWriter(session.settings, session.patience)
  }

  async head(key: string, signal: Signal): Promise<Omit<StoredFile, 'key'>> {
    const reply = await this.lean.send({ method: 'HEAD', key, signal })
    if (reply !== undefined) return describeReply(reply)
    const answer = await (
      await this.client()
    ).headObject({ ...this.object(key), ...this.encryption() }, sending(signal))
    requireObject(answer)
    return {
      size: answer.ContentLength ?? 0,
      etag: unquote(answer.ETag) ?? '',
      modifiedAt: answer.LastModified?.getTime() ?? 0,
      metadata: answer.Metadata ?? {},
    }
  }

  async put(key: string, body: Uint8Array, facts: PutFacts): Promise<WrittenFile> {
    const reply = await this.putLean(key, body, facts)
    if (reply !== undefined) {
      const etag = this.confirmed(reply.headers.etag, undefined)
      return { etag, sha256: hexOf(reply.headers[CHECKSUM]) }
    }
    const { condition, metadata, sha256, signal } = facts
    const { client, putObject } = await this.session.requests.sdk.load()
    const input = {
      ...this.object(key),
      ...this.newObject(metadata),
      ...onCondition(condition),
      Body: body,
      ContentLength: body.byteLength,
      ...(this.session.settings.provider.checksums === 'when_supported' && {
        ChecksumSHA256: base64Of(sha256),
      }),
    }
    const answer = await putObject(client, input, { sha256, ...sending(signal) })
    const etag = this.confirmed(answer.ETag, answer.SSECustomerAlgorithm)
    return { etag, sha256: hexOf(answer.ChecksumSHA256) }
  }

  async remove(key: string, signal: Signal): Promise<void> {
    if ((await this.lean.send({ method: 'DELETE', key, signal })) !== undefined) return
    await this.session.requests.removeOne(key, signal)
  }

  async create(
    key: string,
    metadata: Readonly<Record<string, string>>,
    signal: Signal,
  ): Promise<string> {
    const answer = await (
      await this.client()
    ).createMultipartUpload({ ...this.object(key), ...this.newObject(metadata) }, sending(signal))
    if (answer.UploadId === undefined) throw new S3Failure('retry', 'the server named no upload')
    return answer.UploadId
  }

  async putPart(
    { key, uploadId, number }: PlacedUpload & { number: number },
    body: Uint8Array,
    signal: Signal,
  ): Promise<string> {
    const answer = await (
      await this.client()
    ).uploadPart(
      {
        ...this.object(key),
        ...this.encryption(),
        UploadId: uploadId,
        PartNumber: number,
        Body: body,
        ContentLength: body.byteLength,
      },
      sending(signal),
    )
    return this.confirmed(answer.ETag, answer.SSECustomerAlgorithm)
  }

  async listParts({ key, uploadId }: PlacedUpload, signal: Signal): Promise<FilePart[]> {
    const parts: FilePart[] = []
    for (let marker: string | undefined; ;) {
      const page = await (
        await this.client()
      ).listParts(
        {
          ...this.object(key),
          UploadId: uploadId,
          ...(marker !== undefined && { PartNumberMarker: marker }),
        },
        sending(signal),
      )
      for (const { PartNumber = 0, Size = 0, ETag } of page.Parts ?? [])
        parts.push({ number: PartNumber, size: Size, etag: unquote(ETag) ?? '' })
      const next = page.IsTruncated ? page.NextPartNumberMarker : undefined
      if (next === undefined || next === marker) return parts
      marker = next
    }
  }

  async complete(
    { key, uploadId, parts }: PlacedUpload & { parts: readonly FilePart[] },
    condition: WriteCondition | undefined,
    signal: Signal,
  ): Promise<string> {
    const answer = await (
      await this.client()
    ).completeMultipartUpload(
      {
        ...this.object(key),
        ...this.encryption(),
        ...onCondition(condition),
        UploadId: uploadId,
        MultipartUpload: {
          Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: `"${etag}"` })),
        },
      },
      sending(signal),
    )
    const etag = unquote(answer.ETag)
    // A server may say 200 before it knows, and put the error into the body.
    if (etag === undefined) throw new S3Failure('retry', 'the server confirmed no ETag')
    return etag
  }

  async abort({ key, uploadId }: PlacedUpload, signal: Signal): Promise<void> {
    await (
      await this.client()
    ).abortMultipartUpload({ ...this.object(key), UploadId: uploadId }, sending(signal))
  }

  async listUploads(prefix: string, signal: Signal): Promise<UnfinishedUpload[]> {
    const answer = await (
      await this.client()
    ).listMultipartUploads(
      { Bucket: this.session.settings.bucket, Prefix: prefix },
      sending(signal),
    )
    return (answer.Uploads ?? []).flatMap(({ Key, UploadId, Initiated }) =>
      Key === undefined || UploadId === undefined
        ? []
        : [{ key: Key, uploadId: UploadId, startedAt: Initiated?.getTime() ?? 0 }],
    )
  }

  close(): void {
    this.lean.close()
  }

  /** `undefined` when it is for the SDK. A service that doesn't know the checksum, or refuses it, is not asked for it again. */
  private async putLean(
    key: string,
    body: Uint8Array,
    { condition, metadata, sha256, signal }: PutFacts,
  ): Promise<LeanReply | undefined> {
    const { storageClass } = this.session.settings
    const headers = {
      'content-type': 'application/octet-stream',
      ...(storageClass !== undefined && { 'x-amz-storage-class': storageClass }),
      ...conditionHeader(condition),
      ...metadataHeaders(metadata),
    }
    const request = { method: 'PUT' as const, key, body, sha256, signal }
    if (this.asksForChecksum) {
      const asked = { ...request, headers: { ...headers, [CHECKSUM]: base64Of(sha256) } }
      const reply = await this.lean.send(asked).catch((error: unknown) => {
        if (readFailure(error)?.kind !== 'unsupported') throw error
        return undefined
      })
      this.asksForChecksum = reply?.headers[CHECKSUM] !== undefined
      if (reply !== undefined) return reply
    }
    return this.lean.send({ ...request, headers })
  }

  private client(): Promise<S3> {
    return this.session.requests.sdk.client()
  }

  private object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.session.settings.bucket, Key: key }
  }

  private newObject(metadata: Readonly<Record<string, string>>) {
    const { storageClass } = this.session.settings
    return {
      ...this.encryption(),
      ContentType: 'application/octet-stream',
      Metadata: { ...metadata },
      ...(storageClass !== undefined && { StorageClass: storageClass as 'STANDARD' }),
    }
  }

  private encryption(): { SSECustomerAlgorithm: string; SSECustomerKey: string } | undefined {
    const { customerKey } = this.session.settings
    return customerKey === undefined
      ? undefined
      : { SSECustomerAlgorithm: 'AES256', SSECustomerKey: customerKey }
  }

  private confirmed(quoted: string | undefined, algorithm: string | undefined): string {
    const etag = unquote(quoted)
    if (etag === undefined) throw new S3Failure('retry', 'the server confirmed no ETag')
    if (this.session.settings.customerKey !== undefined && algorithm === undefined)
      throw new S3Failure('not-encrypted', 'the server ignored the customer key (SSE-C)')
    return etag
  }
}

function sending(signal: Signal): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

function onCondition(
  condition: WriteCondition | undefined,
): { IfNoneMatch: string } | { IfMatch: string } | undefined {
  if (condition === undefined) return undefined
  return 'absent' in condition ? { IfNoneMatch: '*' } : { IfMatch: `"${condition.etag}"` }
}

function conditionHeader(condition: WriteCondition | undefined): Record<string, string> {
  if (condition === undefined) return {}
  return 'absent' in condition ? { 'if-none-match': '*' } : { 'if-match': `"${condition.etag}"` }
}

const METADATA = 'x-amz-meta-'
const CHECKSUM = 'x-amz-checksum-sha256'

function base64Of(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

function hexOf(base64: string | string[] | undefined): string | undefined {
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64').toString('hex') : undefined
}

function metadataHeaders(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [METADATA + name.toLowerCase(), value.trim()]),
  )
}

function describeReply({ headers }: LeanReply): Omit<StoredFile, 'key'> {
  const modified = headers['last-modified']
  requireObject({
    ETag: headers.etag,
    LastModified: modified === undefined ? undefined : new Date(modified),
  })
  const metadata = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(METADATA) && typeof value === 'string'
      ? [[name.slice(METADATA.length), value]]
      : [],
  )
  return {
    size: Number(headers['content-length'] ?? 0),
    etag: unquote(headers.etag) ?? '',
    modifiedAt: modified === undefined ? 0 : new Date(modified).getTime(),
    metadata: Object.fromEntries(metadata) as Record<string, string>,
  }
}
