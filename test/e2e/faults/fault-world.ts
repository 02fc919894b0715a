import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { openStore, type ObjectStore } from '@berth/object-store'
import { startS3Server, type S3Server } from '@berth/object-store/testing'
import { FaultPod, type FaultPodSettings } from './fault-pod.ts'
import { type OutageProxy, startOutageProxy } from './outage-proxy.ts'

export interface StatusReads {
  reads: number
  /** Milliseconds. */
  p95: number
  longest: number
  /** More than 200 ms. */
  late: number
}

/** One server with accounts that come and go, and the pods that use it. */
export class FaultWorld {
  readonly folder: string
  readonly #server: S3Server
  /** Straight to the server. */
  readonly store: ObjectStore
  readonly #pods: FaultPod[] = []
  readonly #proxies: OutageProxy[] = []
  readonly #mounts: string[] = []
  #reader: { child: ChildProcess; said: Promise<string> } | undefined

  private constructor(folder: string, server: S3Server, store: ObjectStore) {
    this.folder = folder
    this.#server = server
    this.store = store
  }

  static async create(): Promise<FaultWorld> {
    const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'berth-faults-'))
    fs.mkdirSync(path.join(folder, 'accounts'))
    const accounts = `VGW_IAM_DIR=${path.join(folder, 'accounts')}`
    const within = ['env', accounts, 'VGW_IAM_CACHE_DISABLE=true']
    const server = await startS3Server({ within, folder })
    const url = `s3://${server.bucket}?endpoint=${server.directEndpoint}`
    const store = await openStore(url, { env: server.env })
    return new FaultWorld(folder, server, store)
  }

  get endpoint(): string {
    return this.#server.directEndpoint
  }

  async proxy(): Promise<OutageProxy> {
    const proxy = await startOutageProxy(this.endpoint)
    this.#proxies.push(proxy)
    return proxy
  }

  pod(settings: Pick<FaultPodSettings, 'name' | 'driver'> & Partial<FaultPodSettings>): FaultPod {
    const pod = new FaultPod({
      folder: path.join(this.folder, settings.name),
      endpoint: this.endpoint,
      bucket: this.#server.bucket,
      keys: this.#server.env,
      store: this.store,
      ...settings,
    })
    this.#pods.push(pod)
    return pod
  }

  /** An account of its own, as the environment of a pod has it. */
  account(): Record<string, string> {
    const keys = {
      AWS_ACCESS_KEY_ID: `USER${randomBytes(8).toString('hex')}`,
      AWS_SECRET_ACCESS_KEY: randomBytes(20).toString('hex'),
    }
    this.admit(keys)
    return keys
  }

  admit(keys: Record<string, string>): void {
    const { AWS_ACCESS_KEY_ID: id = '', AWS_SECRET_ACCESS_KEY: secret = '' } = keys
    this.#administer(['create-user', '-a', id, '-s', secret, '-r', 'admin'])
  }

  revoke(keys: Record<string, string>): void {
    this.#administer(['delete-user', '-a', keys['AWS_ACCESS_KEY_ID'] ?? ''])
  }

  #administer(args: readonly string[]): void {
    const { AWS_ACCESS_KEY_ID: id = '', AWS_SECRET_ACCESS_KEY: secret = '' } = this.#server.env
    const program = path.join(
      process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'),
      'berth-test/bin/versitygw',
    )
    const found = fs.existsSync(program) ? program : 'versitygw'
    const env = { ...process.env, ADMIN_ACCESS_KEY_ID: id, ADMIN_SECRET_ACCESS_KEY: secret }
    execFileSync(found, ['admin', '--endpoint-url', this.endpoint, ...args], { env })
  }

  /** A disk of 64 MB. */
  smallDisk(name: string): string {
    const place = path.join(this.folder, name)
    fs.mkdirSync(place, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'berth-e2e', place])
    this.#mounts.push(place)
    return place
  }

  /** Reads the status of every pod that comes, from now on. */
  readStatuses(): void {
    const program = fileURLToPath(new URL('./status-reader.ts', import.meta.url))
    const child = spawn(process.execPath, [program, this.folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()))
    const said = new Promise<string>((resolve) => child.once('close', () => resolve(text)))
    this.#reader = { child, said }
  }

  async endReading(): Promise<StatusReads> {
    this.#reader?.child.kill('SIGTERM')
    return JSON.parse((await this.#reader?.said) ?? '{}') as StatusReads
  }

  async end(): Promise<void> {
    this.#reader?.child.kill('SIGKILL')
    for (const pod of this.#pods) await pod.end()
    await this.store.close()
    for (const proxy of this.#proxies) await proxy.close()
    await this.#server.close()
    for (const place of this.#mounts) execFileSync('umount', ['--lazy', place])
    fs.rmSync(this.folder, { recursive: true, force: true })
  }
}
