import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net'

export interface OutageProxy {
  endpoint: string
  /** Nobody listens, and open connections end. */
  refuse: () => Promise<void>
  /** Connections stay open, and nothing goes through them any more. */
  swallow: () => void
  /** As at the beginning. */
  recover: () => Promise<void>
  close: () => Promise<void>
}

/** A way to a server that can be broken. */
export async function startOutageProxy(target: string): Promise<OutageProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let isSwallowing = false
  const server = createServer((near) => {
    const far = createConnection(Number(port), hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('data', (bytes: Buffer) => {
        if (isSwallowing) return
        if (!to.write(bytes)) from.pause()
      })
      to.on('drain', () => from.resume())
    }
  })
  const listen = (on: number) =>
    new Promise<void>((resolve) => server.listen(on, '127.0.0.1', resolve))
  const end = () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of sockets) socket.destroy()
    return closed
  }
  await listen(0)
  const own = (server.address() as AddressInfo).port
  return {
    endpoint: `http://127.0.0.1:${own}`,
    refuse: end,
    swallow: () => void (isSwallowing = true),
    recover: async () => {
      isSwallowing = false
      // What was swallowed is missing in the middle of these.
      for (const socket of sockets) socket.destroy()
      if (!server.listening) await listen(own)
    },
    close: end,
  }
}
