import { Agent, createServer, request as sendRequest } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { readTarget, type RecordedRequest } from './recorded-request.ts'

export interface CountingProxy {
  endpoint: string
  /** In the order in which they came. */
  requests: RecordedRequest[]
  close: () => Promise<void>
}

/** What a test may do while a request is under way: end the process that sent it, for example. */
export interface RequestWatch {
  /** Before the request is passed on. */
  arrived?: (request: RecordedRequest) => void
  /** The server has carried it out; its answer has not been passed on yet. */
  answered?: (request: RecordedRequest) => void
}

/** Starts an HTTP proxy that streams to `target` and records each request. `Host` is passed on, so that signatures hold. */
export async function startCountingProxy(
  target: string,
  watch: RequestWatch = {},
): Promise<CountingProxy> {
  const { hostname, port } = new URL(target)
  const agent = new Agent({ keepAlive: true })
  const requests: RecordedRequest[] = []

  const forward = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const method = incoming.method ?? ''
    const { key, query } = readTarget(incoming.url ?? '')
    const record: RecordedRequest = { method, key, query, status: 0, bytes: 0 }
    requests.push(record)
    watch.arrived?.(record)
    const upstream = sendRequest({
      agent,
      hostname,
      port,
      method,
      path: incoming.url ?? '/',
      headers: incoming.headers,
      setHost: false,
    })
    outgoing.once('close', () => upstream.destroy())
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      upstream.once('response', resolve)
      upstream.once('error', reject)
    })
    if (method !== 'GET') incoming.on('data', (chunk: Buffer) => (record.bytes += chunk.length))
    // The server may answer before it has taken the whole body; the answer decides.
    pipeline(incoming, upstream).catch(() => undefined)
    const answer = await answered
    record.status = answer.statusCode ?? 0
    watch.answered?.(record)
    if (method === 'GET') answer.on('data', (chunk: Buffer) => (record.bytes += chunk.length))
    outgoing.writeHead(record.status, answer.headers)
    await pipeline(answer, outgoing)
  }

  const server = createServer((incoming, outgoing) => {
    forward(incoming, outgoing).catch(() => outgoing.destroy())
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      agent.destroy()
      await closed
    },
  }
}
