import { BerthError } from '@berth/core/error'

/** An address to listen on. */
export interface Address {
  host: string
  port: number
}

/** Reads `host:port`, `[::1]:9180`, or a port alone, which is one of all addresses. Throws `cli/bad-address`. */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits = ''] = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d+)$/.exec(text) ?? []
  const port = Number(digits)
  if (digits !== '' && port <= 65_535) return { host: bracketed ?? (plain || '0.0.0.0'), port }
  throw new BerthError('cli/bad-address', `\`${text}\` is no address to listen on`, {
    hint: 'write `127.0.0.1:9180`, or a port alone for all addresses',
  })
}
