import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCountingProxy } from './counting-proxy.ts'
import type { RecordedRequest } from './recorded-request.ts'

/** A running real S3 server: versitygw over a temporary directory, behind a proxy that counts. */
export interface S3Server {
  /** A store URL with the endpoint. */
  url: string
  endpoint: string
  /** Of the server itself, past the proxy, for measurements. */
  directEndpoint: string
  bucket: string
  /** The credentials, as `openStore` wants them. */
  env: Record<string, string>
  /** Where the server keeps the bucket: each object is a file. */
  directory: string
  /** In the order in which they came. */
  requests: RecordedRequest[]
  /** Of the server's process, for measurements. */
  pid: number
  close: () => Promise<void>
}

/** What a measurement may want otherwise. */
export interface S3ServerOptions {
  /** Where the server keeps its files; the system's folder for temporary files. */
  folder?: string
  /** The address to listen on; the loopback interface's. */
  host?: string
  /** A command that runs the server, such as `ip netns exec NAME`. */
  within?: readonly string[]
  /** A file that gets a line for each request, past the proxy too. */
  accessLog?: string
}

const program = 'versitygw'
const flags = ['--keep-alive', '--quiet', '--health', '/health']

/** Why `startS3Server` can't work here, as a reason for `skip`, or `undefined`. */
export function missingS3Server(): string | undefined {
  return findProgram() === undefined
    ? `s3: ${program} is not installed; run test/servers/install.sh`
    : undefined
}

/** Starts a server with random credentials on a free port. */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const { folder = tmpdir(), host = '127.0.0.1', within = [], accessLog } = options
  const path = findProgram()
  if (path === undefined) throw new Error(missingS3Server())
  const root = await mkdtemp(join(folder, 'berth-s3-'))
  const bucket = 'berth-test'
  const data = join(root, 'data')
  const directory = join(data, bucket)
  await Promise.all([mkdir(directory, { recursive: true }), mkdir(join(root, 'sidecar'))])
  const id = `TEST${randomBytes(8).toString('hex')}`
  // As Amazon's: 40 characters of base64, which a URL, a shell or JSON may write differently.
  const secret = randomBytes(30).toString('base64')
  const port = await freePort()
  const directEndpoint = `http://${host}:${port}`
  const logs = accessLog === undefined ? [] : ['--access-log', accessLog]
  const gateway = [path, ...flags, ...logs, '--port', `${host}:${port}`, 'posix']
  // Not every temporary file system has user attributes, so metadata lies beside the objects.
  const [first = path, ...rest] = [...within, ...gateway, '--sidecar', join(root, 'sidecar'), data]
  const server = spawn(
    first,
    rest,
    // In the environment, because a process's arguments can be read by everyone.
    {
      env: { ...process.env, ROOT_ACCESS_KEY: id, ROOT_SECRET_KEY: secret },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  await waitUntilReady(server, `${directEndpoint}/health`)
  const proxy = await startCountingProxy(directEndpoint)
  return {
    url: `s3://${bucket}/pods?endpoint=${proxy.endpoint}`,
    endpoint: proxy.endpoint,
    directEndpoint,
    bucket,
    directory,
    env: { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret },
    requests: proxy.requests,
    pid: server.pid ?? 0,
    close: async () => {
      await proxy.close()
      await stop(server)
      await rm(root, { recursive: true, force: true })
    },
  }
}

function findProgram(): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  const folders = [
    join(cache, 'berth-test', 'bin'),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ]
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

async function waitUntilReady(server: ChildProcess, url: string): Promise<void> {
  let said = ''
  server.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)))
  for (let tries = 0; tries < 200; tries++) {
    if (server.exitCode !== null) throw new Error(`${program} ended: ${said}`)
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
    await sleep(50)
  }
  await stop(server)
  throw new Error(`${program} did not answer in 10 s: ${said}`)
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGKILL')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
