import type { GetObjectCommandInput } from '@aws-sdk/client-s3'
import { LeanClient } from './lean-client.ts'
import type { Patience } from './patience.ts'
import { describeBody } from './s3-answer.ts'
import type { S3Body } from './s3-requests.ts'
import type { S3Sdk } from './s3-sdk.ts'
import { addressOf, signGet, type WireGet } from './s3-signature.ts'
import type { S3Settings } from './settings.ts'
import type { ByteRange } from './store.ts'

/**
 * Reads objects over lean connections. For a service with an endpoint and fixed keys the signature is ours, else the SDK's; the
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

  /** `undefined` when the answer is for the SDK to understand: errors, redirects, chunked bodies. */
  async get(
    input: GetObjectCommandInput & { Key: string },
    range: ByteRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<S3Body | undefined> {
    const request = this.sign(input) ?? (await this.signWithSdk(input))
    const answer = await this.http.get({ ...request, signal })
    if (answer === undefined) {
      // Maybe it was our signature, or this machine's clock, for which the SDK makes up.
      this.signsItself = false
      return undefined
    }
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

  private sign(input: GetObjectCommandInput & { Key: string }): WireGet | undefined {
    if (!this.signsItself) return undefined
    const headers = {
      ...(input.Range !== undefined && { range: input.Range }),
      ...(input.IfMatch !== undefined && { 'if-match': input.IfMatch }),
    }
    return signGet(this.settings, { key: input.Key, headers }, new Date())
  }

  private async signWithSdk(input: GetObjectCommandInput): Promise<WireGet> {
    const { client, signGetObject } = await this.sdk.load()
    return signGetObject(client, input)
  }
}
