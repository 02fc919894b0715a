import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { statusOf } from '../report/status.ts'
import { parseAddress } from './address.ts'
import type { HealthServer, HealthSource } from './health.ts'
import { progressHeader, progressPage } from './progress-page.ts'

/** Browsers of people who wait, and a platform's proxy. */
const mostConnections = 100

/** The head of a request is smaller, and comes at once. */
const [longestHead, idleMs] = [64 * 1024, 10_000]

/** An answer has long arrived by then. */
const lingerMs = 100

/**
 * Serves the progress page on main's own address, to every request, with status 200: proxies put pages of their own in the place of an
 * error. Rejects when the address can't be had.
 *
 * Main must be able to bind the address the moment after `close`, also without SO_REUSEADDR. So no connection is ever closed by a FIN of
 * ours, which would leave it in TIME_WAIT on this address for a minute: answers are kept alive, and all ends by a reset, after which the
 * kernel knows nothing of a connection. That is why this is no `node:http` server.
 */
export async function openPageServer(
  address: string,
  { teller, deadline }: HealthSource,
): Promise<HealthServer & { port: number }> {
  const sockets = new Set<Socket>()
  const page = (): string => {
    const { life } = teller
    return progressPage(
      life,
      statusOf(life, { isAlive: true, now: Date.now(), deadline: deadline() }),
    )
  }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    if (sockets.size > mostConnections) socket.resetAndDestroy()
    else serve(socket, page)
  })
  await listening(server, address)
  server.on('error', () => {})
  server.unref()
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    server.close()
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return { port, close }
}

function listening(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(parseAddress(address), resolve)
  })
}

function serve(socket: Socket, page: () => string): void {
  let head = ''
  socket.unref()
  socket.setEncoding('latin1')
  socket.setTimeout(idleMs, () => socket.resetAndDestroy())
  // Whoever hangs up first waits on its own side; a reset frees ours at once.
  socket.on('end', () => setTimeout(() => socket.resetAndDestroy(), lingerMs).unref())
  socket.on('data', (chunk: string) => {
    head += chunk
    for (let end = head.indexOf('\r\n\r\n'); end !== -1; end = head.indexOf('\r\n\r\n')) {
      socket.write(answerTo(head.slice(0, end), page()))
      head = head.slice(end + 4)
    }
    if (head.length > longestHead) socket.resetAndDestroy()
  })
}

/** A body that came with a request is taken for further requests; nobody sends one to a page that waits. */
function answerTo(head: string, page: string): string {
  const lines = [
    'HTTP/1.1 200 OK',
    'Content-Type: text/html; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(page)}`,
    'Cache-Control: no-store',
    `${progressHeader}: 1`,
    'Connection: keep-alive',
  ]
  return `${lines.join('\r\n')}\r\n\r\n${head.startsWith('HEAD ') ? '' : page}`
}
