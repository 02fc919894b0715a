import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface EchoServer {
  endpoint: string
  close: () => void
}

/** A server that refuses every request and repeats its headers in the message, as debugging gateways do. */
export async function startEchoServer(code: string): Promise<EchoServer> {
  const server = createServer((request, response) => {
    const said = Object.entries(request.headers).map(([name, value]) => `${name}: ${String(value)}`)
    const message = `refused: ${said.toSorted().toReversed().join(' ')}`.replaceAll(/[<&>]/g, ' ')
    response.writeHead(403, { 'content-type': 'application/xml' })
    response.end(
      `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
