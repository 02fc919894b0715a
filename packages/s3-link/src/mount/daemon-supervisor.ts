import { mkdir, statfs } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError, errorFacts } from '@berth/core/error'
import type { ObjectStore } from '@berth/object-store'
import type { MountDriver, MountSpec } from '../driver/driver.ts'
import { adoptDaemon } from './adopt-daemon.ts'
import { flyCanary } from './canary.ts'
import { ensureIdentity, type Identity } from './identity.ts'
import type { LinkStatus, StatusReason } from './link-status.ts'
import { restartDelayMs } from './mount-state.ts'
import { type ProcessFacts, readProcess } from './process-facts.ts'
import type { Registry } from './registry.ts'
import { type Daemon, startDaemon } from './start-daemon.ts'
import { storeUrlOf } from './store-of.ts'

const mountMs = 30_000
const canaryMs = 30_000
const restartsWithinMs = 600_000
const leastCacheBytes = 1024 ** 2

export interface SupervisorParts {
  driver: MountDriver
  spec: MountSpec
  store: ObjectStore
  registry: Registry
  /** Ends a start that is under way. */
  signal: AbortSignal
  /** A daemon has just been proven to work. */
  onProven: (identity: Identity | undefined) => void
  /** Before anything is mounted: what lies in the place must not be hidden. */
  clearPlace: () => Promise<void>
}

/** Starts a mount's daemon, proves that it works, takes over one that is there already, and starts it again when it has ended. */
export class DaemonSupervisor {
  readonly #parts: SupervisorParts
  #daemon: Daemon | undefined
  #starting: Promise<void> | undefined
  #restarts: number[] = []
  #canary: LinkStatus['lastCanary'] = null
  #fault: StatusReason | null = null
  #identity: Identity | undefined

  constructor(parts: SupervisorParts) {
    this.#parts = parts
  }

  /** The one that was proven to work, or was taken over; undefined while one is being started. */
  get daemon(): Daemon | undefined {
    return this.#starting === undefined ? this.#daemon : undefined
  }

  /** 0 where there is none. */
  get pid(): number {
    return this.#daemon?.pid ?? 0
  }

  /** In the last ten minutes. */
  get restarts(): number {
    const now = Date.now()
    this.#restarts = this.#restarts.filter((at) => now - at < restartsWithinMs)
    return this.#restarts.length
  }

  get lastCanary(): LinkStatus['lastCanary'] {
    return this.#canary
  }

  /** Why the last start came to nothing. */
  get fault(): StatusReason | null {
    return this.#fault
  }

  /** Throws what keeps it from working. */
  async start(): Promise<void> {
    const { driver, spec, store, signal, onProven, clearPlace } = this.#parts
    await clearPlace()
    const fitting = await fitCache(spec)
    this.#daemon = await startDaemon(driver, fitting, { withinMs: mountMs, signal })
    const { pid } = this.#daemon
    const facts = (await readProcess(pid)) ?? { pid, startedAt: '' }
    await this.#note(facts)
    const refresh = () => this.refresh()
    const withinMs = canaryMs + driver.sendDelayMs(spec.options)
    const { ms } = await flyCanary({ spec, store, refresh, withinMs, signal })
    this.#canary = { at: Date.now(), ms }
    await this.#identify()
    await this.#note(facts)
    this.#fault = null
    onProven(this.#identity)
  }

  /** Takes over the daemon of a keeper that was killed; says whether there is one. */
  async adopt(): Promise<boolean> {
    const { driver, spec, registry, onProven } = this.#parts
    const record = await registry.readMount()
    this.#daemon = await adoptDaemon(driver, spec, record)
    this.#identity = record?.identity
    // From now on this is the keeper to ask, whatever there is to keep.
    if (record !== undefined) await this.#note(this.#daemon && record.daemon)
    if (this.#daemon === undefined) return false
    onProven(this.#identity)
    this.#canary = (await registry.readStatus())?.lastCanary ?? null
    return true
  }

  /** Begins to start it again, later with each time; at most one start is under way, and none is waited for. */
  startAgain(): void {
    if (this.#starting !== undefined) return
    const { signal } = this.#parts
    this.#daemon = undefined
    this.#restarts.push(Date.now())
    const delayMs = restartDelayMs(this.restarts, Math.random())
    this.#starting = sleep(delayMs, undefined, { signal })
      .then(() => this.start())
      .catch((error: unknown) => {
        if (signal.aborted) return
        const { code, message, hint = '' } = errorFacts(error)
        this.#fault = { code, message, hint }
      })
      .finally(() => (this.#starting = undefined))
  }

  /** Resolves when no start is under way. */
  async settled(): Promise<void> {
    await this.#starting
  }

  /** Has the daemon look at the bucket again. */
  refresh(): void {
    const { refreshSignal } = this.#parts.driver
    if (refreshSignal !== undefined) this.#signal(refreshSignal)
  }

  kill(): void {
    this.#signal('SIGKILL')
  }

  #signal(name: NodeJS.Signals): void {
    if (this.#daemon === undefined || this.#daemon.hasEnded()) return
    try {
      process.kill(this.#daemon.pid, name)
    } catch {
      // It has just ended, which the next look sees.
    }
  }

  /** A bucket that another took the place of while the daemon was away is not gone on with. */
  async #identify(): Promise<void> {
    const { spec, store, signal } = this.#parts
    const found = await ensureIdentity(store, signal)
    if (this.#identity !== undefined && this.#identity.id !== found.id) {
      throw new BerthError(
        's3-link/identity-mismatch',
        `could not go on with \`${spec.bucket}\`: it is not the bucket that was mounted before`,
        { hint: 'unlink, see which bucket that is, and link again' },
      )
    }
    this.#identity = found
  }

  async #note(daemon: ProcessFacts | undefined): Promise<void> {
    const { driver, spec, registry } = this.#parts
    await registry.writeMount({
      key: spec.key,
      driver: driver.name,
      store: storeUrlOf(spec),
      mountPoint: spec.mountPoint,
      cache: spec.cache,
      keeper: (await readProcess(process.pid)) ?? { pid: process.pid, startedAt: '' },
      ...(daemon === undefined ? {} : { daemon }),
      identity: this.#identity,
    })
  }
}

/** A cache that may grow past its disk would fill it with what is sent long ago. */
async function fitCache(spec: MountSpec): Promise<MountSpec> {
  const { cacheBytes } = spec.options
  await mkdir(spec.cache, { recursive: true, mode: 0o700 })
  const { blocks, bsize } = await statfs(spec.cache)
  const most = Math.max(leastCacheBytes, Math.floor((blocks * bsize) / 2))
  return { ...spec, options: { ...spec.options, cacheBytes: Math.min(cacheBytes, most) } }
}
