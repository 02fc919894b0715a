import { lookup } from 'node:dns/promises'
import { type IncomingHttpHeaders, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { BerthError } from '@berth/core/error'
import type { MountSpec } from '../driver/driver.ts'
import type { Question } from './check.ts'

/** An endpoint on its way to be trusted. */
export interface EndpointProbe {
  spec: MountSpec
  url: URL
  signal: AbortSignal
}

/** Amazon refuses a signature that is older than 15 minutes. */
const skewFailsMs = 900_000
const skewWarnsMs = 300_000

/** From the name of the endpoint to its clock and its region, without a key. */
export function endpointChecks(probe: EndpointProbe): Question<EndpointProbe>[] {
  let answer: Promise<Answer> | undefined
  const once = (asked: EndpointProbe) => (answer ??= askBucket(asked))
  const about = (code: string, hint: string) => (error: unknown) => failed(probe, code, hint, error)
  return [
    {
      name: 'address',
      ask: askAddress,
      explain: about(
        's3-link/no-host',
        'compare the endpoint, and whether this machine has a name server',
      ),
    },
    {
      name: 'connection',
      ask: askConnection,
      explain: about(
        's3-link/unreachable',
        'compare the endpoint and its port, and whether this machine may reach it',
      ),
    },
    {
      name: 'certificate',
      ask: askCertificate,
      explain: about(
        's3-link/tls',
        'install `ca-certificates`, name the authority in NODE_EXTRA_CA_CERTS, or compare the endpoint with its `http` or `https`',
      ),
    },
    {
      name: 'clock',
      ask: async (asked) => judgeClock(await once(asked)),
      explain: about('s3-link/clock', 'set the clock of this machine'),
    },
    {
      name: 'region',
      ask: async (asked) => judgeRegion(await once(asked), asked),
      explain: about('s3-link/bucket-check', 'try again, or ask the provider'),
    },
  ]
}

function failed({ spec, url }: EndpointProbe, code: string, hint: string, error: unknown) {
  const why = error instanceof Error ? error.message : String(error)
  return new BerthError(code, `could not use \`${spec.bucket}\` at \`${url.host}\`: ${why}`, {
    hint,
    cause: error,
  })
}

async function askAddress({ url }: EndpointProbe): Promise<string> {
  const { address } = await lookup(hostOf(url))
  return `${url.hostname} is ${address}`
}

function askConnection({ url, signal }: EndpointProbe): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostOf(url), port: portOf(url), signal }, () => {
      socket.destroy()
      resolve(`port ${portOf(url)} answers`)
    })
    socket.once('error', reject)
  })
}

function askCertificate({ url, signal }: EndpointProbe): Promise<string> {
  if (url.protocol === 'http:') return Promise.resolve('not encrypted, so without a certificate')
  const host = hostOf(url)
  const name = isIP(host) === 0 ? { servername: host } : {}
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host, port: portOf(url), ...name }, () => {
      const { issuer, valid_to: until } = socket.getPeerCertificate()
      resolve(`trusted, by ${String(issuer.O ?? issuer.CN)}, until ${until}`)
      socket.destroy()
    })
    signal.addEventListener('abort', () => socket.destroy(), { once: true })
    socket.once('error', reject)
  })
}

interface Answer {
  status: number
  headers: IncomingHttpHeaders
}

/** Without a key: also a refusal has the time and the bucket's region in its head. */
function askBucket({ url, spec, signal }: EndpointProbe): Promise<Answer> {
  const request = url.protocol === 'http:' ? requestHttp : requestHttps
  const place = new URL(`${url.pathname.replace(/\/$/, '')}/${spec.bucket}`, url)
  return new Promise((resolve, reject) => {
    const asked = request(place, { method: 'HEAD', signal, agent: false }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers })
    })
    asked.once('error', reject)
    asked.end()
  })
}

function judgeClock({ headers }: Answer): string | { warning: string; hint: string } {
  const date = Date.parse(headers.date ?? '')
  if (Number.isNaN(date)) return 'the service tells no time'
  const skew = Math.abs(Date.now() - date)
  const text = `the clock is ${Math.round(skew / 1000)} s apart from the service’s`
  if (skew > skewFailsMs) throw new Error(text)
  return skew > skewWarnsMs ? { warning: text, hint: 'set the clock of this machine' } : text
}

function judgeRegion({ status, headers }: Answer, { spec }: EndpointProbe) {
  const told = headers['x-amz-bucket-region']
  if (typeof told !== 'string' || told === spec.region) return `\`${spec.region}\``
  const why = `the bucket lies in \`${told}\`, and \`${spec.region}\` was named`
  const hint = `set \`?region=${told}\` in the store, or RUNPOD_S3_REGION or AWS_REGION`
  // Others than Amazon tell a region that they don't insist on.
  const isFirm = status === 301 || status === 307 || spec.provider === 'aws'
  if (!isFirm) return { warning: why, code: 's3-link/wrong-region', hint }
  throw new BerthError('s3-link/wrong-region', `could not use \`${spec.bucket}\`: ${why}`, { hint })
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function portOf(url: URL): number {
  return Number(url.port || (url.protocol === 'http:' ? 80 : 443))
}
