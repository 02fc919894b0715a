import type { GetObjectCommandInput } from '@aws-sdk/client-s3'
import { type LeanAnswer, LeanClient } from './lean-client.ts'
import type { Patience } from './patience.ts'
import { describeBody } from './s3-answer.ts'
import { S3Failure } from './s3-failure.ts'
import { readListing } from './s3-listing.ts'
import type { S3Body, S3GetRequest, S3Page, S3PageRequest } from './s3-requests.ts'
import type { S3Sdk } from './s3-sdk.ts'
import { addressOf, type PlainRequest, signRequest, type WireGet } from './s3-signature.ts'
import type { S3Settings } from './settings.ts'

// A page of a thousand keys of the greatest length.
const MAX_LISTING_BYTES = 8 * 1024 * 1024
const MAX_ERROR_BYTES = 64 * 1024

/**
 * Reads objects and listings over lean connections. For a service with an endpoint and fixed keys the signature is ours, else the SDK's; the
 * reading, which costs the SDK more than decoding the object does, is always ours.
 */
export class S3LeanReader {
  private readonly settings: S3Settings
  private readonly sdk: S3Sdk
  private readonly http: LeanClient
  private signsItself = true

  constructor(settings: S3Settings, { sdk, patience }: { sdk: S3Sdk; patience: Patience }) {
    this.settings = settings
    this.sdk = sdk
    this.http = new LeanClient(patience)
  }

  /** Opens connections ahead, where the address is known. */
  connect(count: number): void {
    const address = addressOf(this.settings)
    if (address !== undefined) this.http.connect(address.origin, count)
  }

  /**
   * `undefined` when the request or its answer is for the SDK: errors, redirects, chunked bodies. Only of what is large is it worth to
   * have the SDK sign. Throws S3Failure `missing` where S3 itself says that there is no such object.
   */
  async get(
    input: GetObjectCommandInput & { Key: string },
    { range, bulk, signal }: Pick<S3GetRequest, 'range' | 'bulk' | 'signal'>,
  ): Promise<S3Body | undefined> {
    const request = this.signObject(input) ?? (bulk ? await this.signWithSdk(input) : undefined)
    if (request === undefined) return undefined
    const answer = await this.http.get({ ...request, signal })
    if (answer?.status === 404) await throwIfMissing(answer)
    if (answer?.length === undefined || (answer.status !== 200 && answer.status !== 206))
      return this.leave(answer)
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

  /** A page of a listing; `undefined` when it is for the SDK. */
  async listPage(
    { prefix, token, startAfter, limit }: S3PageRequest,
    signal: AbortSignal | undefined,
  ): Promise<S3Page | undefined> {
    const query = {
      'list-type': '2',
      prefix,
      ...(token !== undefined && { 'continuation-token': token }),
      ...(startAfter !== undefined && { 'start-after': startAfter }),
      ...(limit !== undefined && { 'max-keys': `${limit}` }),
    }
    const request = this.sign({ key: '', query })
    if (request === undefined) return undefined
    const answer = await this.http.get({ ...request, signal })
    if (answer?.status !== 200) return this.leave(answer)
    const body = await readWhole(answer, MAX_LISTING_BYTES)
    return body && readListing(body)
  }

  close(): void {
    this.http.close()
  }

  /** Maybe it was our signature, or this machine's clock, for which the SDK makes up. */
  private leave(answer: LeanAnswer | undefined): undefined {
    answer?.discard()
    const isPassing = answer !== undefined && (answer.status === 404 || answer.status >= 500)
    if (!isPassing) this.signsItself = false
  }

  private signObject(input: GetObjectCommandInput & { Key: string }): WireGet | undefined {
    const headers = {
      ...(input.Range !== undefined && { range: input.Range }),
      ...(input.IfMatch !== undefined && { 'if-match': input.IfMatch }),
    }
    return this.sign({ key: input.Key, headers })
  }

  private sign(request: PlainRequest): WireGet | undefined {
    if (!this.signsItself) return undefined
    return signRequest(this.settings, request, new Date(Date.now() + this.sdk.clockOffset))
  }

  private async signWithSdk(input: GetObjectCommandInput): Promise<WireGet> {
    const { client, signGetObject } = await this.sdk.load()
    return signGetObject(client, input)
  }
}

/** Any other 404 is left as it is: its body is read, so that the connection can be used again. */
async function throwIfMissing(answer: LeanAnswer): Promise<void> {
  const text = (await readWhole(answer, MAX_ERROR_BYTES))?.toString('utf8') ?? ''
  const [, message = ''] = /<Message>([^<&\n]{0,200})<\/Message>/.exec(text) ?? []
  if (!/<Error>[^]*<Code>NoSuchKey<\/Code>/.test(text)) return
  throw new S3Failure('missing', `404 NoSuchKey: ${message}`, 'NoSuchKey')
}

/** `undefined` for a body that is longer. */
async function readWhole(answer: LeanAnswer, most: number): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  if ((answer.length ?? 0) > most) {
    answer.discard()
    return undefined
  }
  await answer.receive((part) => {
    bytes += part.length
    if (bytes > most) throw new S3Failure('retry', `the answer is longer than ${most} bytes`)
    parts.push(Buffer.from(part))
  })
  return Buffer.concat(parts)
}
