import { GetObjectCommand, type GetObjectCommandInput, type S3Client } from '@aws-sdk/client-s3'
import { LeanClient } from './lean-client.ts'
import type { Patience } from './patience.ts'
import { describeBody } from './s3-answer.ts'
import type { S3Body } from './s3-requests.ts'
import type { ByteRange } from './store.ts'

/** What the SDK would have put on the wire. */
interface SignedRequest {
  protocol: string
  hostname: string
  port?: number
  path: string
  query: Record<string, string | string[] | null>
  headers: Record<string, string>
}

/**
 * Reads objects over lean connections. The SDK does everything up to the wire, credentials and signature included; only the reading,
 * which costs it more than decoding the object does, is ours.
 */
export class S3LeanReader {
  private readonly client: S3Client
  private readonly http: LeanClient

  constructor(client: S3Client, patience: Patience) {
    this.client = client
    this.http = new LeanClient(patience)
  }

  /** `undefined` when the answer is for the SDK to understand: errors, redirects, chunked bodies. */
  async get(
    input: GetObjectCommandInput,
    range: ByteRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<S3Body | undefined> {
    const request = await this.sign(input)
    const port = request.port === undefined ? '' : `:${request.port}`
    const answer = await this.http.get({
      origin: new URL(`${request.protocol}//${request.hostname}${port}`),
      path: request.path + queryText(request.query),
      headers: request.headers,
      signal,
    })
    if (answer === undefined) return undefined
    try {
      const { headers, length, receive, discard } = answer
      const modified = headers.get('last-modified')
      const facts = {
        ContentLength: length,
        ContentRange: headers.get('content-range'),
        ETag: headers.get('etag'),
        LastModified: modified === undefined ? undefined : new Date(modified),
      }
      return { read: receive, discard, ...describeBody(facts, range) }
    } catch (error) {
      answer.discard()
      throw error
    }
  }

  close(): void {
    this.http.close()
  }

  private async sign(input: GetObjectCommandInput): Promise<SignedRequest> {
    const command = new GetObjectCommand(input)
    let signed: SignedRequest | undefined
    // The last before the wire, behind the signature.
    command.middlewareStack.add(
      () => async (wire) => {
        signed = wire.request as SignedRequest
        return { response: {}, output: { $metadata: {} } }
      },
      { step: 'finalizeRequest', priority: 'low', name: 'takeSignedRequest' },
    )
    await this.client.send(command)
    if (signed === undefined) throw new Error('the SDK did not sign a request')
    return signed
  }
}

function queryText(query: SignedRequest['query']): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map(
      (one) => `${encodeURIComponent(name)}=${encodeURIComponent(one ?? '')}`,
    ),
  )
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}
