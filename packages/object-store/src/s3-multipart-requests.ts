import type { S3 } from '@aws-sdk/client-s3'
import { unquote } from './s3-answer.ts'
import { S3Failure } from './s3-failure.ts'
import type { FilePart, UnfinishedUpload, WriteCondition } from './file-store.ts'
import { S3FileInput, onCondition, sending } from './s3-file-input.ts'
import type { S3Session } from './s3-session.ts'

type Signal = AbortSignal | undefined

interface PlacedUpload {
  key: string
  uploadId: string
}

/** One try of each request of an upload in parts, with full keys; throws what the SDK throws. Retries are the caller's. */
export class S3MultipartRequests {
  private readonly session: S3Session
  private readonly input: S3FileInput

  constructor(session: S3Session) {
    this.session = session
    this.input = new S3FileInput(session)
  }

  async create(
    key: string,
    metadata: Readonly<Record<string, string>>,
    signal: Signal,
  ): Promise<string> {
    const answer = await (
      await this.client()
    ).createMultipartUpload(
      { ...this.input.object(key), ...this.input.newObject(metadata) },
      sending(signal),
    )
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
        ...this.input.object(key),
        ...this.input.encryption(),
        UploadId: uploadId,
        PartNumber: number,
        Body: body,
        ContentLength: body.byteLength,
      },
      sending(signal),
    )
    return this.input.confirmed(answer.ETag, answer.SSECustomerAlgorithm)
  }

  async listParts({ key, uploadId }: PlacedUpload, signal: Signal): Promise<FilePart[]> {
    const parts: FilePart[] = []
    for (let marker: string | undefined; ;) {
      const page = await (
        await this.client()
      ).listParts(
        {
          ...this.input.object(key),
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
        ...this.input.object(key),
        ...this.input.encryption(),
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
    ).abortMultipartUpload({ ...this.input.object(key), UploadId: uploadId }, sending(signal))
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

  private client(): Promise<S3> {
    return this.session.requests.sdk.client()
  }
}
