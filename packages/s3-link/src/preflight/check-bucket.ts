import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { BerthError, isBerthError } from '@berth/core/error'
import type { ObjectStore } from '@berth/object-store'
import type { MountSpec } from '../driver/driver.ts'
import { storeOf } from '../mount/store-of.ts'

export type CheckName =
  | 'address'
  | 'connection'
  | 'certificate'
  | 'clock'
  | 'list'
  | 'write'
  | 'read'
  | 'remove'

export interface Check {
  name: CheckName
  /** `warning`: the bucket can be used, and something is not as it should be. `skipped`: an earlier check failed. */
  result: 'ok' | 'warning' | 'failed' | 'skipped'
  said: string
  /** What failed, with its code and cure. */
  error?: BerthError
  ms: number
}

const checkMs = 10_000
/** Amazon refuses a signature that is older than 15 minutes. */
const skewFailsMs = 900_000
const skewWarnsMs = 300_000
const patience = { attempts: 2, attemptsToReach: 1, connectMs: 5_000, stallMs: 8_000 }

interface Probe {
  spec: MountSpec
  url: URL
  store: ObjectStore
  name: string
  body: Buffer
  signal: AbortSignal
}

type Ask = (probe: Probe) => Promise<string | { warning: string }>

const asks: [CheckName, Ask][] = [
  ['address', askAddress],
  ['connection', askConnection],
  ['certificate', askCertificate],
  ['clock', askClock],
  ['list', askList],
  ['write', askWrite],
  ['read', askRead],
  ['remove', askRemove],
]

/**
 * Checks a bucket step by step, from its address to reading back what was written, and stops at the first that fails: the rest would only
 * repeat it. Each takes ten seconds at most. Leaves nothing in the bucket.
 */
export async function checkBucket(spec: MountSpec, signal: AbortSignal): Promise<Check[]> {
  const store = await storeOf(spec, { signal, patience })
  const probe: Probe = {
    spec,
    url: new URL(spec.endpoint ?? `https://s3.${spec.region}.amazonaws.com`),
    store,
    name: `.berth-canary-${randomBytes(8).toString('hex')}`,
    body: randomBytes(1024),
    signal,
  }
  const checks: Check[] = []
  try {
    for (const [name, ask] of asks) {
      const isOver = checks.some(({ result }) => result === 'failed')
      checks.push(
        isOver ? { name, result: 'skipped', said: '', ms: 0 } : await runCheck(name, ask, probe),
      )
    }
  } finally {
    await store.close()
  }
  return checks
}

/** Throws what is wrong with a bucket, as its own API says it, within seconds: a driver would only say that it ended. */
export async function requireBucketAnswers(spec: MountSpec, signal: AbortSignal): Promise<void> {
  const store = await storeOf(spec, { signal, patience })
  try {
    await firstKey(store, signal)
  } finally {
    await store.close()
  }
}

async function runCheck(name: CheckName, ask: Ask, probe: Probe): Promise<Check> {
  const startedAt = performance.now()
  const within = AbortSignal.any([probe.signal, AbortSignal.timeout(checkMs)])
  const took = () => Math.round(performance.now() - startedAt)
  try {
    const said = await withEnd(ask({ ...probe, signal: within }), within)
    return typeof said === 'string'
      ? { name, result: 'ok', said, ms: took() }
      : { name, result: 'warning', said: said.warning, ms: took() }
  } catch (error) {
    probe.signal.throwIfAborted()
    const found = isBerthError(error) ? error : failure(name, probe, error)
    return { name, result: 'failed', said: found.message, error: found, ms: took() }
  }
}

/** What does not end by itself is left. */
function withEnd<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new Error('it did not answer in time'))
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

const faults: Partial<Record<CheckName, [code: string, hint: string]>> = {
  address: ['s3-link/no-host', 'compare the endpoint, and whether this machine has a name server'],
  connection: [
    's3-link/unreachable',
    'compare the endpoint, and whether this machine may reach it',
  ],
  certificate: ['s3-link/tls', 'install `ca-certificates`, or compare the endpoint'],
  clock: ['s3-link/clock', 'set the clock of this machine'],
}

function failure(name: CheckName, { url, spec }: Probe, error: unknown): BerthError {
  const why = error instanceof Error ? error.message : String(error)
  const [code, hint] = faults[name] ?? ['s3-link/bucket-check', 'try again, or ask the provider']
  return new BerthError(code, `could not use \`${spec.bucket}\` at \`${url.host}\`: ${why}`, {
    hint,
    cause: error,
  })
}

async function askAddress({ url }: Probe): Promise<string> {
  const { address } = await lookup(url.hostname.replace(/^\[|\]$/g, ''))
  return `${url.hostname} is ${address}`
}

function askConnection({ url, signal }: Probe): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostOf(url), port: portOf(url), signal }, () => {
      socket.destroy()
      resolve(`port ${portOf(url)} answers`)
    })
    socket.once('error', reject)
  })
}

function askCertificate({ url }: Probe): Promise<string> {
  if (url.protocol === 'http:') return Promise.resolve('not encrypted, so without a certificate')
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      { host: hostOf(url), port: portOf(url), servername: url.hostname },
      () => {
        const until = socket.getPeerCertificate().valid_to
        socket.destroy()
        resolve(`trusted, until ${until}`)
      },
    )
    socket.once('error', reject)
  })
}

function askClock({ url, signal }: Probe): Promise<string | { warning: string }> {
  const request = url.protocol === 'http:' ? requestHttp : requestHttps
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: 'HEAD', signal }, (answer) => {
      answer.resume()
      const date = Date.parse(answer.headers.date ?? '')
      if (Number.isNaN(date)) return resolve('the service tells no time')
      const skew = Math.abs(Date.now() - date)
      const text = `${Math.round(skew / 1000)} s apart from the service’s`
      if (skew > skewFailsMs) return reject(new Error(`the clock is ${text}`))
      return resolve(skew > skewWarnsMs ? { warning: text } : text)
    })
    asked.once('error', reject)
    asked.end()
  })
}

async function askList({ store, signal, spec }: Probe): Promise<string> {
  const key = await firstKey(store, signal)
  const where = spec.prefix === '' ? spec.bucket : `${spec.bucket}/${spec.prefix}`
  return key === undefined ? `\`${where}\` is empty` : `\`${where}\` can be listed`
}

async function askWrite({ store, name, body, signal }: Probe): Promise<string> {
  await store.put(name, body, { signal })
  return `${body.length} bytes`
}

async function askRead({ store, name, body, signal }: Probe): Promise<string> {
  const found = await store.get(name, { signal })
  if (found?.equals(body) === true) return 'the same bytes'
  throw new Error(found === undefined ? 'what was written is not there' : 'other bytes came back')
}

async function askRemove({ store, name, signal }: Probe): Promise<string | { warning: string }> {
  try {
    await store.remove([name], { signal })
    return 'nothing is left'
  } catch (error) {
    // Enough for a folder that only grows.
    return { warning: error instanceof Error ? error.message : String(error) }
  }
}

async function firstKey(store: ObjectStore, signal: AbortSignal): Promise<string | undefined> {
  for await (const { key } of store.list('', { signal })) return key
  return undefined
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function portOf(url: URL): number {
  return Number(url.port || (url.protocol === 'http:' ? 80 : 443))
}
