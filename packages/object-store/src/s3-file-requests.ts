import { requireObject, unquote } from './s3-answer.ts'
import { S3FileInput, onCondition, sending } from './s3-file-input.ts'
import { readFailure } from './s3-failure.ts'
import { S3LeanWriter, type LeanReply } from './s3-lean-writer.ts'
import type { StoredFile, WriteCondition, WrittenFile } from './file-store.ts'
import type { S3Session } from './s3-session.ts'

type Signal = AbortSignal | undefined

interface PutFacts {
  condition: WriteCondition | undefined
  metadata: Readonly<Record<string, string>>
  /** Of the body, in hex. */
  sha256: string
  signal: Signal
}

/** One try of each request for a whole file, with full keys; throws what the SDK throws. Retries are the caller's. */
export class S3FileRequests {
  private readonly session: S3Session
  private readonly input: S3FileInput
  private readonly lean: S3LeanWriter
  private asksForChecksum: boolean

  constructor(session: S3Session) {
    this.session = session
    this.input = new S3FileInput(session)
    this.asksForChecksum = session.settings.provider.etagIsMd5
    this.lean = new S3LeanWriter(session.settings, session.patience)
  }

  async head(key: string, signal: Signal): Promise<Omit<StoredFile, 'key'>> {
    const reply = await this.lean.send({ method: 'HEAD', key, signal })
    if (reply !== undefined) return describeReply(reply)
    const answer = await (
      await this.session.requests.sdk.client()
    ).headObject({ ...this.input.object(key), ...this.input.encryption() }, sending(signal))
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
      const etag = this.input.confirmed(reply.headers.etag, undefined)
      return { etag, sha256: hexOf(reply.headers[CHECKSUM]) }
    }
    const { condition, metadata, sha256, signal } = facts
    const { client, putObject } = await this.session.requests.sdk.load()
    const input = {
      ...this.input.object(key),
      ...this.input.newObject(metadata),
      ...onCondition(condition),
      Body: body,
      ContentLength: body.byteLength,
      ...(this.session.settings.provider.checksums === 'when_supported' && {
        ChecksumSHA256: base64Of(sha256),
      }),
    }
    const answer = await putObject(client, input, { sha256, ...sending(signal) })
    const etag = this.input.confirmed(answer.ETag, answer.SSECustomerAlgorithm)
    return { etag, sha256: hexOf(answer.ChecksumSHA256) }
  }

  async remove(key: string, signal: Signal): Promise<void> {
    if ((await this.lean.send({ method: 'DELETE', key, signal })) !== undefined) return
    await this.session.requests.removeOne(key, signal)
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
