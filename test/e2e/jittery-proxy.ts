import { Agent, createServer, request as sendRequest } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Jitter {
  /** Each answer waits for a random time up to this, so that answers overtake each other. */
  delayMs?: number
  /** Of all that is uploaded, together. */
  bytesPerSecond?: number
}

export interface JitteryProxy {
  endpoint: string
  close: () => Promise<void>
}

/** An HTTP proxy to `target` over a link that is slow, or on which nothing arrives in order. */
export async function startJitteryProxy(target: string, jitter: Jitter): Promise<JitteryProxy> {
  const { hostname, port } = new URL(target)
  const agent = new Agent({ keepAlive: true })
  let freeAt = 0

  /** Waits until the link has carried so many bytes. */
  const carry = async (bytes: number): Promise<void> => {
    if (jitter.bytesPerSecond === undefined) return
    freeAt = Math.max(freeAt, performance.now()) + (bytes / jitter.bytesPerSecond) * 1000
    await sleep(Math.max(0, freeAt - performance.now()))
  }

  const forward = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const { method, headers, url } = incoming
    const upstream = sendRequest({
      agent,
      hostname,
      port,
      method,
      headers,
      path: url ?? '/',
      setHost: false,
    })
    outgoing.once('close', () => upstream.destroy())
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      upstream.once('response', resolve)
      upstream.once('error', reject)
    })
    answered.catch(() => undefined)
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      await carry(chunk.length)
      upstream.write(chunk)
    }
    upstream.end()
    const answer = await answered
    await sleep(Math.random() * (jitter.delayMs ?? 0))
    outgoing.writeHead(answer.statusCode ?? 0, answer.headers)
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (!outgoing.write(chunk)) await new Promise((resolve) => outgoing.once('drain', resolve))
      if (jitter.delayMs !== undefined && Math.random() < 0.1) await sleep(1)
    }
    outgoing.end()
  }

  const server = createServer((incoming, outgoing) => {
    forward(incoming, outgoing).catch(() => outgoing.destroy())
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      agent.destroy()
      await closed
    },
  }
}
