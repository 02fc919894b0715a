import { closeSync, openSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BerthEvent } from '@berth/core'
import { BerthError } from '@berth/core/error'
import { shownError } from '../output-mask.ts'

/** One line of JSON from a client: the verb, and whatever the verb takes. */
export interface ControlRequest {
  verb: string
  [argument: string]: unknown
}

/** What is told to whoever asks: a document of JSON, or a promise of one. What it throws is the client's error. */
type ControlHandler = (request: ControlRequest) => unknown

/** The verbs of a control socket. */
export type ControlHandlers = Record<string, ControlHandler>

/** A request longer than this is nobody's. */
const longestRequest = 64 * 1024

/** What the name of a socket may have (`sun_path` of unix(7), with its end). */
const longestName = 107

/** How long a client that does not read may hold up the end. */
const flushMs = 200

export interface ControlSocket {
  /** Takes no more clients; resolves when what was answered has been sent. */
  close: () => Promise<void>
}

/**
 * Listens on `control.sock` in the state directory, for its owner only. A request is one line of JSON with a `verb`; its answer one line,
 * `{"answer": …}` or `{"error": …}`; a client may send several. Whoever opens it must have claimed the directory: what a dead boot left is
 * replaced. Throws what the system says when there can be no socket.
 */
export async function openControlSocket(
  stateDirectory: string,
  handlers: ControlHandlers,
): Promise<ControlSocket> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A client alone is no reason to live on.
    socket.unref()
    serve(socket, handlers)
  })
  server.unref()
  await listen(server, stateDirectory)
  return {
    close: async () => {
      server.close()
      const flushed = [...sockets].map(
        (socket) => new Promise<void>((resolve) => socket.end(() => resolve())),
      )
      await Promise.race([Promise.all(flushed), sleep(flushMs)])
    },
  }
}

/** As `openControlSocket`; where there can be none, that is said, and the boot goes on without. */
export async function openControl(
  stateDirectory: string,
  handlers: ControlHandlers,
  report: (event: BerthEvent) => void,
): Promise<ControlSocket> {
  try {
    return await openControlSocket(stateDirectory, handlers)
  } catch (error) {
    const text = `\`berth status\` and \`berth shutdown\` can't reach this boot: ${(error as Error).message}`
    report({ type: 'note', level: 'warn', text, time: Date.now() })
    return { close: async () => {} }
  }
}

async function listen(server: Server, stateDirectory: string): Promise<void> {
  const place = controlSocketPlace(stateDirectory)
  rmSync(place.path, { force: true })
  const previous = process.umask(0o177)
  try {
    const listening = new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(place.path, resolve)
    })
    // A socket in the file system is bound at once, so nothing else is made with this mask.
    process.umask(previous)
    await listening
  } finally {
    process.umask(previous)
    place.close()
  }
}

/**
 * The name by which the socket of a state directory is bound and connected to: a longer one than the kernel takes goes through the
 * directory's descriptor, which `close` releases.
 */
export function controlSocketPlace(stateDirectory: string): { path: string; close: () => void } {
  const path = join(stateDirectory, 'control.sock')
  if (Buffer.byteLength(path) <= longestName) return { path, close: () => {} }
  const descriptor = openSync(stateDirectory, 'r')
  return {
    path: `/proc/self/fd/${descriptor}/control.sock`,
    close: () => closeSync(descriptor),
  }
}

function serve(socket: Socket, handlers: ControlHandlers): void {
  let text = ''
  let last = Promise.resolve()
  socket.setEncoding('utf8')
  socket.on('error', () => {})
  socket.on('data', (chunk: string) => {
    text += chunk
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    if (text.length > longestRequest) socket.destroy()
    for (const line of lines) last = last.then(() => answer(socket, line, handlers))
  })
  socket.on('end', () => void last.then(() => socket.end()))
}

async function answer(socket: Socket, line: string, handlers: ControlHandlers): Promise<void> {
  let reply: { answer: unknown } | { error: unknown }
  try {
    const request = parseRequest(line)
    reply = { answer: (await handlerOf(request, handlers)(request)) ?? null }
  } catch (error) {
    reply = { error: shownError(error) }
  }
  if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`)
}

function parseRequest(line: string): ControlRequest {
  let request: unknown
  try {
    request = JSON.parse(line)
  } catch {
    request = undefined
  }
  if (typeof request === 'object' && request !== null && 'verb' in request) {
    return request as ControlRequest
  }
  throw new BerthError('cli/bad-request', 'a request that is no JSON with a `verb` was not taken', {
    hint: 'send one line such as `{"verb":"status"}`',
  })
}

function handlerOf({ verb }: ControlRequest, handlers: ControlHandlers): ControlHandler {
  const handler = Object.hasOwn(handlers, verb) ? handlers[verb] : undefined
  if (handler !== undefined) return handler
  throw new BerthError('cli/bad-request', `the running boot knows no verb \`${String(verb)}\``, {
    hint: `ask for one of ${Object.keys(handlers).join(', ')}; it may be of an older version`,
  })
}
