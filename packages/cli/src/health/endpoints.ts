import { probeHolds, statusOf } from '../report/status.ts'
import type { HealthServer, HealthSource } from './health.ts'
import { type Answer, openHttpServer, type Request } from './http-server.ts'
import { metricsText, metricsType } from './metrics.ts'
import { progressPage } from './progress-page.ts'

/**
 * Serves `/livez`, `/startupz`, `/readyz` (`?strict`: not where degraded), `/status` as JSON, `/metrics` for Prometheus, and `/`, the
 * progress page, which is 200 whatever it says. `/status` and `/` tell what steps printed, so they are for this machine only. Rejects when
 * the address can't be had.
 */
export async function openEndpoints(
  address: string,
  source: HealthSource,
): Promise<HealthServer & { port: number }> {
  return openHttpServer(address, (request) => answerTo(request, source))
}

function answerTo(
  { method, path, query, isLocal }: Request,
  { teller: { life }, deadline }: HealthSource,
): Answer {
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD')
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
    case '/status': {
      if (!isLocal) return text(403, 'only for this machine')
      const body = `${JSON.stringify(status, undefined, 2)}\n`
      return { status: 200, type: 'application/json', body }
    }
    case '/':
      if (!isLocal) return text(403, 'only for this machine')
      return { status: 200, type: 'text/html', body: progressPage(life, status) }
    default:
      return text(404, 'there are /livez, /startupz, /readyz, /status, /metrics and /')
  }
}

function verdict(holds: boolean, state: string): Answer {
  return text(holds ? 200 : 503, state)
}

function text(status: Answer['status'], body: string): Answer {
  return { status, type: 'text/plain', body: `${body}\n` }
}
