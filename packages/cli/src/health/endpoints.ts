import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { probeHolds, statusOf } from '../report/status.ts'
import { parseAddress } from './address.ts'
import type { HealthServer, HealthSource } from './health.ts'
import { metricsText, metricsType } from './metrics.ts'
import { progressPage } from './progress-page.ts'

/** A probe is a few hundred bytes and is answered at once. */
const [requestMs, mostConnections] = [5000, 64]

interface Answer {
  status: number
  type: string
  body: string
}

/**
 * Serves `/livez`, `/startupz`, `/readyz` (`?strict`: not where degraded), `/status` as JSON, `/metrics` for Prometheus, and `/`, the
 * progress page, which is 200 whatever it says. `/status` and `/` tell what steps printed, so they are for this machine only. Rejects when
 * the address can't be had.
 */
export async function openEndpoints(
  address: string,
  source: HealthSource,
): Promise<HealthServer & { port: number }> {
  const server = createServer(
    { requestTimeout: requestMs, headersTimeout: requestMs, keepAliveTimeout: 1000 },
    (request, response) => {
      answer(request, response, source)
    },
  )
  server.maxConnections = mostConnections
  await listening(server, address)
  server.on('error', () => {})
  // It alone is no reason to live on.
  server.unref()
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  return { port, close }
}

function listening(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(parseAddress(address), resolve)
  })
}

function answer(request: IncomingMessage, response: ServerResponse, source: HealthSource): void {
  const { status, type, body } = answerTo(request, source)
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function answerTo(request: IncomingMessage, { teller, deadline }: HealthSource): Answer {
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only GET and HEAD')
  const [path = '/', query = ''] = (request.url ?? '/').split('?')
  const { life } = teller
  const status = statusOf(life, { isAlive: true, now: Date.now(), deadline: deadline() })
  const isStrict = new URLSearchParams(query).has('strict')
  const asked = { status, answered: true }
  switch (path) {
    case '/livez':
      return text(200, 'ok')
    case '/startupz':
      return verdict(probeHolds('startup', asked), status.state)
    case '/readyz': {
      const isStrictlyReady = status.state === 'ready' || !isStrict
      return verdict(probeHolds('ready', asked) && isStrictlyReady, status.state)
    }
    case '/metrics':
      return { status: 200, type: metricsType, body: metricsText(life, status) }
    case '/status':
      if (!isLocal(request)) return text(403, 'only for this machine')
      return {
        status: 200,
        type: 'application/json; charset=utf-8',
        body: `${JSON.stringify(status, undefined, 2)}\n`,
      }
    case '/':
      if (!isLocal(request)) return text(403, 'only for this machine')
      return { status: 200, type: 'text/html; charset=utf-8', body: progressPage(life, status) }
    default:
      return text(404, 'there are /livez, /startupz, /readyz, /status, /metrics and /')
  }
}

function verdict(holds: boolean, state: string): Answer {
  return text(holds ? 200 : 503, state)
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n` }
}

function isLocal({ socket }: IncomingMessage): boolean {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  return address === '::1' || address.startsWith('127.')
}
