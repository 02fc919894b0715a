import { access } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** How main shows that it can be used: one of these, evaluated. */
export interface ReadyFacts {
  http: string | undefined
  tcp: string | undefined
  file: string | undefined
  timeoutMs: number | undefined
}

/** A start of main that is under way is asked about often, one that takes minutes seldom. */
const wait = { firstMs: 100, factor: 1.3, longestMs: 1000 }

/** How long one answer may take. */
const answerMs = 2000

/** Whoever listens on this machine takes a connection in far less; no start of main may wait longer for it. */
const takenMs = 50

/** Nobody else's host can tell what is on our ports. */
const ownHosts = /^(localhost|127\.[\d.]+|0\.0\.0\.0|::1?)$/

/**
 * Asks again and again until main can be used, and resolves with true then; with false when the signal aborts before. Calls `late`, once,
 * when the timeout is over, with what was wrong the last time, and goes on asking.
 */
export async function untilReady(
  ready: ReadyFacts,
  { signal, late }: { signal: AbortSignal; late: (why: string) => void },
): Promise<boolean> {
  const lateAt = ready.timeoutMs === undefined ? undefined : Date.now() + ready.timeoutMs
  let [waitMs, isLate] = [wait.firstMs, false]
  while (!signal.aborted) {
    const why = await whyNotReady(ready)
    if (why === undefined) return !signal.aborted
    if (!isLate && lateAt !== undefined && Date.now() >= lateAt) {
      isLate = true
      late(why)
    }
    const left = isLate || lateAt === undefined ? waitMs : Math.max(1, lateAt - Date.now())
    await sleep(Math.min(waitMs, left), undefined, { signal }).catch(() => {})
    waitMs = Math.min(waitMs * wait.factor, wait.longestMs)
  }
  return false
}

/**
 * Looks, just before main starts, for what would make `ready` say nothing of main: an address that can't be asked, or one of this machine that
 * somebody else has. Never takes longer than a moment.
 */
export async function whyReadyMisleads(ready: ReadyFacts): Promise<string | undefined> {
  const { http, tcp } = ready
  const wrong = wrongAddress(ready)
  if (wrong !== undefined) return `main will never be ready: ${wrong}`
  const address = http === undefined ? tcp : hostAndPort(new URL(http))
  if (address === undefined || !ownHosts.test(parseAddress(address).host)) return undefined
  if (!(await takesConnections(address, takenMs))) return undefined
  return `\`${http ?? tcp}\` answers already: another process has the port, and main would count as ready at once`
}

async function whyNotReady(ready: ReadyFacts): Promise<string | undefined> {
  const { http, tcp, file } = ready
  const wrong = wrongAddress(ready)
  if (wrong !== undefined) return wrong
  if (http !== undefined) return whyNoAnswer(http)
  if (tcp !== undefined) {
    return (await takesConnections(tcp)) ? undefined : 'its address takes no connection'
  }
  return access(file ?? '').then(
    () => undefined,
    () => 'its file is not there',
  )
}

async function whyNoAnswer(text: string): Promise<string | undefined> {
  const url = new URL(text)
  const status = url.protocol === 'https:' ? await httpsStatus(url) : await httpStatus(url)
  if (status === 0) return 'its URL does not answer'
  return status >= 200 && status < 400 ? undefined : `its URL answers with ${status}`
}

/** Why nobody can be asked there. */
function wrongAddress({ http, tcp }: ReadyFacts): string | undefined {
  const text = http ?? tcp
  if (text === undefined) return undefined
  const is = `\`ready.${http === undefined ? 'tcp' : 'http'}\` is \`${text}\``
  const [, port = ''] =
    /^(?:https?:\/\/)?(?:\[[^\]]*\]|[^/?#:]*):(\d+)(?=[/?#]|$)/i.exec(text) ?? []
  if (Number(port) > 65_535) return `${is}, and there is no port ${port}: the last is 65535`
  if (http === undefined) return port === '' ? `${is}, which is no \`host:port\`` : undefined
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return undefined
  return `${is}, no URL that begins with \`http://\` or \`https://\``
}

function hostAndPort({ protocol, hostname, port }: URL): string {
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}

/** By hand, because `node:http` would stay in the supervisor for good, with 10 MiB. */
function httpStatus({ hostname, port, host, pathname, search }: URL): Promise<number> {
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) }
  return new Promise((resolve) => {
    const socket = connect({ ...address, timeout: answerMs }, () => {
      const path = `${pathname}${search}`
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    })
    const settle = (status: number): void => {
      socket.destroy()
      resolve(status)
    }
    let answer = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk
      const [, status] = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(answer) ?? []
      if (status !== undefined || answer.length > 64) settle(Number(status ?? 0))
    })
    for (const event of ['timeout', 'error', 'close']) socket.once(event, () => settle(0))
  })
}

async function httpsStatus(url: URL): Promise<number> {
  const { get } = await import('node:https')
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: answerMs }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
      request.destroy()
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', () => resolve(0))
  })
}

function parseAddress(address: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(address) ?? []
  return { host, port: Number(port) }
}

function takesConnections(address: string, patienceMs = answerMs): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...parseAddress(address), timeout: patienceMs })
    const settle = (isTaken: boolean): void => {
      socket.destroy()
      resolve(isTaken)
    }
    // A port that the kernel gives away to whoever asks can be our own end of this very connection.
    socket.once('connect', () => settle(socket.localPort !== socket.remotePort))
    socket.once('timeout', () => settle(false))
    socket.once('error', () => settle(false))
  })
}
