import { spawnSync } from 'node:child_process'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'

export interface Got {
  status: number
  type: string
  body: string
  headers: Record<string, string | string[] | undefined>
}

/** Asks as a probe does, on a connection of its own. */
export function ask(port: number, path: string, method = 'GET'): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, type: headers['content-type'] ?? '', body, headers })
      })
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** A port that nobody uses. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Binds a port as a careless app does, without SO_REUSEADDR; says what went wrong, or nothing. */
export function bindCarelessly(port: number): string {
  const program = `import socket; s = socket.socket(); s.bind(('0.0.0.0', ${port})); s.listen()`
  return spawnSync('python3', ['-c', program], { encoding: 'utf8' }).stderr
}
