import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { FaultPlan, type Fault, type FaultKind } from './fault.ts'
import { readTarget, type RecordedRequest } from './recorded-request.ts'
import { signatureProblem, type KeyPair } from './signature.ts'
import { errorAnswer, StubBucket, type StubAnswer, type StubBehaviour } from './stub-bucket.ts'

export interface StubS3Options extends StubBehaviour {
  faults?: readonly Fault[]
  /** How far the server's clock is ahead. */
  skewMs?: number
}

/** A running S3 server of ours that misbehaves on command. */
export interface StubS3 {
  /** A store URL with the endpoint: `s3://bucket/prefix?endpoint=http://127.0.0.1:…`. */
  url: string
  endpoint: string
  bucket: string
  /** The credentials, as `openStore` wants them. */
  env: Record<string, string>
  objects: StubBucket['objects']
  /** In the order in which they came. */
  requests: RecordedRequest[]
  /** Adds a fault to those that are still to come. */
  fault: (fault: Fault) => void
  clearFaults: () => void
  close: () => Promise<void>
}

/** Starts a stub on a free port of the loopback interface. Signatures are checked; objects live in memory. */
export async function startStubS3(options: StubS3Options = {}): Promise<StubS3> {
  const pair = { accessKeyId: 'STUB' + randomText(), secretAccessKey: randomText() + randomText() }
  const stub = new Stub(pair, options)
  const server = createServer((request, response) => {
    // A connection that breaks is often the fault that was asked for.
    stub.handle(request, response).catch(() => response.destroy())
  })
  // Keeps a test's server from closing a connection just when the client uses it again.
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `s3://${stub.bucketName}/pods?endpoint=${endpoint}`,
    endpoint,
    bucket: stub.bucketName,
    env: { AWS_ACCESS_KEY_ID: pair.accessKeyId, AWS_SECRET_ACCESS_KEY: pair.secretAccessKey },
    objects: stub.bucket.objects,
    requests: stub.requests,
    fault: (fault) => stub.faults.add(fault),
    clearFaults: () => stub.faults.clear(),
    close: () => closeServer(server),
  }
}

class Stub {
  readonly bucketName = 'stub'
  readonly bucket: StubBucket
  readonly faults = new FaultPlan()
  readonly requests: RecordedRequest[] = []
  private readonly pair: KeyPair
  private readonly options: StubS3Options

  constructor(pair: KeyPair, options: StubS3Options) {
    this.pair = pair
    this.options = options
    this.bucket = new StubBucket(this.bucketName, options)
    for (const fault of options.faults ?? []) this.faults.add(fault)
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request)
    const method = request.method ?? ''
    const target = readTarget(request.url ?? '')
    const record: RecordedRequest = {
      method,
      key: target.key,
      query: target.query,
      status: 0,
      bytes: body.length,
    }
    this.requests.push(record)

    const fault = this.faults.take({ method, ...target })
    if (fault === 'reset') return resetConnection(request)
    const isReplaced = typeof fault === 'object' || fault === 'error-in-200'
    const answer = isReplaced ? replacement(fault) : this.answer(request, body)
    if (fault === 'lose-answer') return resetConnection(request)

    record.status = answer.status
    const content = answer.body ?? Buffer.alloc(0)
    if (method === 'GET') record.bytes = content.length
    response.writeHead(answer.status, {
      ...answer.headers,
      date: new Date(this.now()).toUTCString(),
      ...(answer.status !== 204 && { 'content-length': content.length }),
    })
    if (method === 'HEAD' || answer.status === 204) response.end()
    else await sendBody(response, content, fault)
  }

  private answer(request: IncomingMessage, body: Buffer): StubAnswer {
    const problem = signatureProblem(request, body, { pair: this.pair, now: this.now() })
    if (problem !== undefined) return errorAnswer(403, problem)
    const { bucket, key, query } = readTarget(request.url ?? '')
    if (bucket !== this.bucketName) return errorAnswer(404, 'NoSuchBucket')
    const headers = request.headers as Record<string, string | undefined>
    const search = new URLSearchParams(query)
    if (key === '') {
      if (request.method === 'GET') return this.bucket.list(search)
      if (request.method === 'POST' && search.has('delete')) return this.bucket.removeMany(body)
      return errorAnswer(501, 'NotImplemented')
    }
    if (request.method === 'GET' || request.method === 'HEAD') return this.bucket.read(key, headers)
    if (request.method === 'PUT') return this.bucket.write(key, body, headers)
    if (request.method === 'DELETE') return this.bucket.remove(key)
    return errorAnswer(501, 'NotImplemented')
  }

  private now(): number {
    return Date.now() + (this.options.skewMs ?? 0)
  }
}

function replacement(fault: { status: number; code?: string } | 'error-in-200'): StubAnswer {
  if (fault === 'error-in-200') return { ...errorAnswer(200, 'InternalError'), status: 200 }
  const { status, code = status >= 500 ? 'InternalError' : 'AccessDenied' } = fault
  return errorAnswer(status, code)
}

async function sendBody(
  response: ServerResponse,
  content: Buffer,
  fault: FaultKind | undefined,
): Promise<void> {
  const half = content.subarray(0, content.length >> 1)
  if (fault === 'slow') {
    for (let at = 0; at < content.length; at += 1024) {
      response.write(content.subarray(at, at + 1024))
      await sleep(10)
    }
    response.end()
  } else if (fault === 'stall') {
    response.write(half)
  } else if (fault === 'short-body') {
    response.write(half, () => response.socket?.end())
  } else if (fault === 'reset-mid-body') {
    await new Promise((resolve) => response.write(half, resolve))
    // Lets the half arrive: a reset discards what the receiver has not read yet.
    await sleep(50)
    response.socket?.resetAndDestroy()
  } else {
    response.end(content)
  }
}

function resetConnection(request: IncomingMessage): void {
  request.socket.resetAndDestroy()
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function randomText(): string {
  return randomBytes(12).toString('hex')
}
