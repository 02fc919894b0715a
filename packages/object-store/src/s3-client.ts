import { createHash } from 'node:crypto'
import {
  GetObjectCommand,
  type GetObjectCommandInput,
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
  S3,
} from '@aws-sdk/client-s3'
import type { Patience } from './patience.ts'
import type { WireGet } from './s3-signature.ts'
import type { S3Settings } from './settings.ts'

interface WireRequest {
  headers: Record<string, string>
  body?: unknown
}

/** The SDK's client for these settings, doing one try per request and never reading its settings from the process's environment. */
export function createS3Client(settings: S3Settings, patience: Patience): S3 {
  const { endpoint, provider, credentials, profile } = settings
  const checksums = provider.checksums === 'when_supported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED'
  const agent = { keepAlive: true, maxSockets: settings.pool + 4, scheduling: 'lifo' as const }
  const client = new S3({
    ...(endpoint && { endpoint: endpoint.href.replace(/\/$/, '') }),
    region: settings.region,
    forcePathStyle: settings.pathStyle,
    // Without an endpoint the bucket's own region is found out by following the redirect.
    followRegionRedirects: endpoint === undefined,
    ...(credentials && { credentials }),
    ...(profile !== undefined && { profile }),
    // Since early 2025 the SDK's default sends CRC32 trailers, which R2, B2, OVH and others refused.
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    maxAttempts: 1,
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    ignoreConfiguredEndpointUrls: true,
    // With `Expect: 100-continue` the SDK opens a new connection for every body of 2 MiB or more.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: patience.connectMs,
      // Without a byte in either direction; a transfer that moves may take as long as it needs.
      socketTimeout: patience.stallMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
  })
  if (provider.id !== 'aws') addContentMd5(client)
  return client
}

/** DeleteObjects needs a digest; the SDK sends CRC32, which older servers don't know: they want Content-MD5. */
function addContentMd5(client: S3): void {
  client.middlewareStack.add(
    (next, context) => async (request) => {
      if (context.commandName === 'DeleteObjectsCommand') {
        const wire = request.request as WireRequest
        const digest = createHash('md5').update(wire.body as string)
        wire.headers['content-md5'] = digest.digest('base64')
      }
      return next(request)
    },
    { step: 'build', name: 'contentMd5', priority: 'low' },
  )
}

/** What the SDK would have put on the wire. */
interface SignedRequest {
  protocol: string
  hostname: string
  port?: number
  path: string
  query: Record<string, string | string[] | null>
  headers: Record<string, string>
}

/** Everything that the SDK does up to the wire, credentials and signature included. */
export async function signGetObject(client: S3, input: GetObjectCommandInput): Promise<WireGet> {
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
  await client.send(command)
  if (signed === undefined) throw new Error('the SDK did not sign a request')
  const { protocol, hostname, port, path, query, headers } = signed
  const origin = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`)
  return { origin, path: path + queryText(query), headers }
}

/** Signs a body by the SHA-256 that its owner knows: what arrives otherwise, the server refuses. */
export async function putObject(
  client: S3,
  input: PutObjectCommandInput,
  { sha256, abortSignal }: { sha256: string; abortSignal?: AbortSignal },
): Promise<PutObjectCommandOutput> {
  const command = new PutObjectCommand(input)
  command.middlewareStack.add(
    (next) => async (request) => {
      const wire = request.request as WireRequest
      wire.headers['x-amz-content-sha256'] = sha256
      return next(request)
    },
    { step: 'build', name: 'contentSha256', priority: 'low' },
  )
  return client.send(command, { ...(abortSignal && { abortSignal }) })
}

function queryText(query: SignedRequest['query']): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map(
      (one) => `${encodeURIComponent(name)}=${encodeURIComponent(one ?? '')}`,
    ),
  )
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}
