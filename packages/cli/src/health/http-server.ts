import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { parseAddress } from './address.ts'
import type { HealthServer } from './health.ts'

/** Browsers of people who wait, probes, and a platform's proxy. */
const mostConnections = 100

/** The head of a request is smaller, and comes at once. */
const [longestHead, idleMs] = [64 * 1024, 10_000]

/** An answer has long arrived by then. */
const lingerMs = 100

export interface Request {
  method: string
  /** Without the query. */
  path: string
  query: string
  /** The other side is this machine. */
  isLocal: boolean
}

export interface Answer {
  status: 200 | 403 | 404 | 405 | 503
  type: string
  body: string
  headers?: Record<string, string>
}

const reasons: Record<Answer['status'], string> = {
  200: 'OK',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  503: 'Service Unavailable',
}

/**
 * Serves small answers over HTTP/1.1. Rejects when the address can't be had.
 *
 * It can be one that the app is waiting for: whoever binds it the moment after `close`, also without SO_REUSEADDR, gets it. So no
 * connection is ever closed by a FIN of ours, which would leave it in TIME_WAIT on this address for a minute: answers are kept alive, and all
 * ends by a reset, after which the kernel knows nothing of a connection. `node:http` can't do that, and would be a third of the
 * supervisor's memory.
 */
export async function openHttpServer(
  address: string,
  answer: (request: Request) => Answer,
): Promise<HealthServer & { port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    if (sockets.size > mostConnections) socket.resetAndDestroy()
    else serve(socket, answer)
  })
  await listening(server, address)
  server.on('error', () => {})
  // It alone is no reason to live on.
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

function serve(socket: Socket, answer: (request: Request) => Answer): void {
  let head = ''
  const isLocal = isLoopback(socket.remoteAddress ?? '')
  const reset = (): void => {
    socket.resetAndDestroy()
  }
  socket.unref()
  socket.setEncoding('latin1')
  socket.setTimeout(idleMs, reset)
  // Whoever hangs up first waits on its own side; a reset frees ours at once.
  socket.on('end', () => setTimeout(reset, lingerMs).unref())
  socket.on('data', (chunk: string) => {
    head += chunk
    for (let end = head.indexOf('\r\n\r\n'); end !== -1; end = head.indexOf('\r\n\r\n')) {
      const request = parseRequest(head.slice(0, end), isLocal)
      head = head.slice(end + 4)
      if (request === undefined) return reset()
      socket.write(textOf(answer(request), request.method === 'HEAD'))
      // Without keep-alive a client reads to the end: it hangs up, or is reset when all has arrived.
      if (request.isLast) setTimeout(reset, lingerMs * 10).unref()
    }
    if (head.length > longestHead) reset()
  })
}

/** A body that came with a request is taken for further requests; nobody sends one to be told how a boot is. */
function parseRequest(head: string, isLocal: boolean): (Request & { isLast: boolean }) | undefined {
  const [, method = '', target = '', version = ''] =
    /^([A-Z]+) (\S+) HTTP\/(1\.\d)(?:\r\n|$)/.exec(head) ?? []
  if (method === '') return undefined
  const [path = '', query = ''] = target.split('?')
  const isLast = version === '1.0' || /\r\nconnection:[^\r]*close/i.test(head)
  return { method, path, query, isLocal, isLast }
}

function textOf({ status, type, body, headers = {} }: Answer, isHead: boolean): string {
  const lines = [
    `HTTP/1.1 ${status} ${reasons[status]}`,
    `Content-Type: ${type}; charset=utf-8`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: keep-alive',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${isHead ? '' : body}`
}

function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/, '')
  return plain === '::1' || plain.startsWith('127.')
}
