import { statusOf } from '../report/status.ts'
import type { HealthServer, HealthSource } from './health.ts'
import { openHttpServer } from './http-server.ts'
import { progressHeader, progressPage } from './progress-page.ts'

/**
 * Serves the progress page on main's own address, to every request, with status 200: proxies put pages of their own in the place of an
 * error. Rejects when the address can't be had; main can bind it when `close` has returned.
 */
export async function openPageServer(
  address: string,
  { teller: { life }, deadline }: HealthSource,
): Promise<HealthServer & { port: number }> {
  return openHttpServer(address, () => {
    const status = statusOf(life, { isAlive: true, now: Date.now(), deadline: deadline() })
    const headers = { [progressHeader]: '1' }
    return { status: 200, type: 'text/html', body: progressPage(life, status), headers }
  })
}
