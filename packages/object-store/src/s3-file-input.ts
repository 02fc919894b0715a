import { unquote } from './s3-answer.ts'
import { S3Failure } from './s3-failure.ts'
import type { WriteCondition } from './file-store.ts'
import type { S3Session } from './s3-session.ts'

/** What the SDK's requests for files say alike, and what must be true of the answers. */
export class S3FileInput {
  private readonly session: S3Session

  constructor(session: S3Session) {
    this.session = session
  }

  object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.session.settings.bucket, Key: key }
  }

  /** What a new object is told besides its content. */
  newObject(metadata: Readonly<Record<string, string>>) {
    const { storageClass } = this.session.settings
    return {
      ...this.encryption(),
      ContentType: 'application/octet-stream',
      Metadata: { ...metadata },
      ...(storageClass !== undefined && { StorageClass: storageClass as 'STANDARD' }),
    }
  }

  encryption(): { SSECustomerAlgorithm: string; SSECustomerKey: string } | undefined {
    const { customerKey } = this.session.settings
    return customerKey === undefined
      ? undefined
      : { SSECustomerAlgorithm: 'AES256', SSECustomerKey: customerKey }
  }

  /** The ETag of what was put. Throws where there is none, or where the server took no notice of the customer's key. */
  confirmed(quoted: string | undefined, algorithm: string | undefined): string {
    const etag = unquote(quoted)
    if (etag === undefined) throw new S3Failure('retry', 'the server confirmed no ETag')
    if (this.session.settings.customerKey !== undefined && algorithm === undefined)
      throw new S3Failure('not-encrypted', 'the server ignored the customer key (SSE-C)')
    return etag
  }
}

export function sending(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

export function onCondition(
  condition: WriteCondition | undefined,
): { IfNoneMatch: string } | { IfMatch: string } | undefined {
  if (condition === undefined) return undefined
  return 'absent' in condition ? { IfNoneMatch: '*' } : { IfMatch: `"${condition.etag}"` }
}
