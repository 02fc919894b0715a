/** How an S3 service differs from the others, as data. Sources: research of each provider's documentation and its users' reports. */
export interface ProviderProfile {
  id: string
  name: string
  /** Matches the endpoint's host name. */
  host: RegExp
  /** The region when none is given: a name, or read from the host by the pattern's first group. */
  region: string | RegExp
  pathStyle: boolean
  /** `when_supported` sends and checks CRC32s, which several services refuse or get wrong. */
  checksums: 'when_supported' | 'when_required'
  /** `no`: the service has no DeleteObjects; keys are removed one by one. */
  deleteObjects: boolean
  /** `probe`: found out by writing twice. */
  conditionalPut: 'yes' | 'no' | 'probe'
  /** The ETag of a plain PUT is the MD5 of its bytes. */
  etagIsMd5: boolean
  attempts: number
  maxPutBytes: number
  /** Of one multipart upload. */
  maxParts: number
}

const gib = 1024 ** 3

const unknown: ProviderProfile = {
  id: 'unknown',
  name: 'an S3 service',
  host: /(?:)/,
  region: 'us-east-1',
  pathStyle: true,
  checksums: 'when_required',
  deleteObjects: true,
  conditionalPut: 'probe',
  etagIsMd5: true,
  attempts: 8,
  maxPutBytes: 5 * gib,
  maxParts: 10_000,
}

/** First match wins; the last one matches everything. */
const providers: readonly ProviderProfile[] = [
  {
    ...unknown,
    id: 'aws',
    name: 'Amazon S3',
    host: /(^|\.)amazonaws\.com(\.cn)?$/,
    region: /(?:^|\.)s3[.-](?:dualstack\.)?([a-z]{2}-[a-z-]+-\d)\./,
    pathStyle: false,
    checksums: 'when_supported',
    conditionalPut: 'yes',
  },
  {
    ...unknown,
    id: 'runpod',
    name: 'RunPod',
    host: /^s3api-[a-z0-9-]+\.runpod\.io$/,
    // Documented in capitals (EU-RO-1), while the host is in small letters.
    region: /^s3api-([a-z0-9-]+)\.runpod\.io$/,
    deleteObjects: false,
    // Objects written through the volume have an ETag that is computed later.
    etagIsMd5: false,
    attempts: 10,
    maxPutBytes: 500_000_000,
  },
  {
    ...unknown,
    id: 'r2',
    name: 'Cloudflare R2',
    host: /\.r2\.cloudflarestorage\.com$/,
    region: 'auto',
  },
  {
    ...unknown,
    id: 'b2',
    name: 'Backblaze B2',
    host: /^s3\.[a-z0-9-]+\.backblazeb2\.com$/,
    region: /^s3\.([a-z0-9-]+)\./,
  },
  {
    ...unknown,
    id: 'wasabi',
    name: 'Wasabi',
    host: /(^|\.)wasabisys\.com$/,
    region: /^s3\.([a-z0-9-]+)\.wasabisys/,
  },
  {
    ...unknown,
    id: 'gcs',
    name: 'Google Cloud Storage',
    host: /^storage\.googleapis\.com$/,
    region: 'auto',
    deleteObjects: false,
  },
  {
    ...unknown,
    id: 'digitalocean',
    name: 'DigitalOcean Spaces',
    host: /\.digitaloceanspaces\.com$/,
    region: /([a-z0-9]+)\.digitaloceanspaces/,
  },
  {
    ...unknown,
    id: 'scaleway',
    name: 'Scaleway',
    host: /\.scw\.cloud$/,
    region: /^s3\.([a-z0-9-]+)\.scw/,
    maxParts: 1000,
  },
  {
    ...unknown,
    id: 'ovh',
    name: 'OVH',
    host: /\.cloud\.ovh\.(net|us)$/,
    region: /^s3\.([a-z0-9-]+)\./,
  },
  unknown,
]

/** The profile for an endpoint; without an endpoint it is Amazon's. */
export function findProvider(endpoint: URL | undefined): ProviderProfile {
  const host = endpoint?.hostname ?? 's3.amazonaws.com'
  return providers.find((provider) => provider.host.test(host)) ?? unknown
}

/** The region to sign for when nobody named one. */
export function defaultRegion(provider: ProviderProfile, endpoint: URL | undefined): string {
  if (typeof provider.region === 'string') return provider.region
  const found = provider.region.exec(endpoint?.hostname ?? '')?.[1]
  if (found === undefined) return 'us-east-1'
  return provider.id === 'runpod' ? found.toUpperCase() : found
}
