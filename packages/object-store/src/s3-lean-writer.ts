import {
  Agent,
  request as sendPlain,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { Agent as TlsAgent, request as sendTls } from 'node:https'
import type { Patience } from './patience.ts'
import { signRequest, type PlainRequest } from './s3-signature.ts'
import type { S3Settings } from './settings.ts'

/** An answer without its body, which is only read where it is an error. */
export interface LeanReply {
  headers: IncomingMessage['headers']
}

type Request = PlainRequest & {
  body?: Uint8Array
  signal: AbortSignal | undefined
}

const MAX_ERROR_BYTES = 64 * 1024

/**
 * HEAD, PUT and DELETE with a signature of ours over Node's own HTTP client: a third of the processor time that the SDK takes for them, which counts
 * when there are thousands of files. Only where an endpoint and fixed keys are known.
 */
export class S3LeanWriter {
  private readonly settings: S3Settings
  private readonly patience: Patience
  private readonly agents: { plain: Agent; tls: TlsAgent }
  private isUsable = true

  constructor(settings: S3Settings, patience: Patience) {
    this.settings = settings
    this.patience = patience
    const options = {
      keepAlive: true,
      maxSockets: settings.pool + 4,
      scheduling: 'lifo' as const,
      noDelay: true,
    }
    this.agents = { plain: new Agent(options), tls: new TlsAgent(options) }
  }

  /** `undefined` when the request is for the SDK. Throws as the SDK does: with the server's code and the status. */
  async send(request: Request): Promise<LeanReply | undefined> {
    const signed = this.isUsable ? signRequest(this.settings, request, new Date()) : undefined
    if (signed === undefined) return undefined
    const { method = 'GET', body, signal } = request
    const isTls = signed.origin.protocol === 'https:'
    const options = {
      method,
      host: signed.origin.hostname.replace(/^\[|\]$/g, ''),
      port: signed.origin.port || (isTls ? 443 : 80),
      path: signed.path,
      headers: { ...signed.headers, 'content-length': body?.byteLength ?? 0 },
      setHost: false,
      ...(signal && { signal }),
    }
    const { sent, answer } = await this.exchange(isTls, options, body)
    const status = answer.statusCode ?? 0
    const text = await readText(answer)
    // Refused before the whole body was taken: nobody reads the rest, and the connection would wait for ever.
    if (!sent.writableFinished) sent.destroy()
    if (status === 200 || (status === 204 && method === 'DELETE'))
      return { headers: answer.headers }
    const [, code = ''] = /<Code>([A-Za-z0-9]+)<\/Code>/.exec(text) ?? []
    // The SDK makes up for this machine's clock, and follows redirects.
    const isForSdk = code === 'RequestTimeTooSkewed' || (status >= 300 && status < 400)
    if (isForSdk) this.isUsable = false
    // The refusal of a HEAD has no body that says why.
    if (isForSdk || status === 400 || (status === 403 && method === 'HEAD')) return undefined
    const [, message = ''] = /<Message>([^<]{0,300})<\/Message>/.exec(text) ?? []
    throw Object.assign(new Error(message), {
      name: code === '' ? 'Error' : code,
      ...(code !== '' && { Code: code }),
      $metadata: { httpStatusCode: status },
    })
  }

  close(): void {
    this.agents.plain.destroy()
    this.agents.tls.destroy()
  }

  private exchange(
    isTls: boolean,
    options: RequestOptions,
    body: Uint8Array | undefined,
  ): Promise<{ sent: ClientRequest; answer: IncomingMessage }> {
    return new Promise((resolve, reject) => {
      const sent = isTls
        ? sendTls({ ...options, agent: this.agents.tls })
        : sendPlain({ ...options, agent: this.agents.plain })
      sent.once('socket', (socket) => {
        const { connectMs, stallMs } = this.patience
        const stop = (): void => {
          sent.destroy(Object.assign(new Error('no byte came in time'), { code: 'ETIMEDOUT' }))
        }
        // Node tells a request of its socket's timeout only when it has set that itself.
        socket.setTimeout(socket.connecting ? connectMs : stallMs)
        socket.once('timeout', stop)
        sent.once('close', () => socket.off('timeout', stop))
        if (socket.connecting) socket.once('connect', () => socket.setTimeout(stallMs))
      })
      // It may also break after the answer has come.
      sent.on('error', reject)
      sent.once('response', (answer) => resolve({ sent, answer }))
      sent.end(body)
    })
  }
}

/** To its end, so that the connection can be used again. */
function readText(answer: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let bytes = 0
    answer.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes <= MAX_ERROR_BYTES) parts.push(part)
    })
    answer.once('end', () => resolve(Buffer.concat(parts).toString('utf8')))
    answer.once('error', reject)
    answer.once('close', () =>
      reject(Object.assign(new Error('the answer was cut'), { code: 'ECONNRESET' })),
    )
  })
}
