import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isBerthError } from '@berth/core/error'
import type { ObjectStore } from '@berth/object-store'
import type { MountDriver, MountSpec, Pending } from '../driver/driver.ts'
import { flyCanary } from './canary.ts'
import type { Keeper, StopAnswer } from './keeper-contract.ts'
import type { LinkStatus, StatusReason } from './link-status.ts'
import { judgeMount, restartDelayMs, type Verdict } from './mount-state.ts'
import { Observer } from './observer.ts'
import { readProcess } from './process-facts.ts'
import { explainState } from './reasons.ts'
import type { LinkRecord, Registry } from './registry.ts'
import { retarget } from './retarget.ts'
import { addPending, type Spool } from './spool.ts'
import { type Daemon, startDaemon } from './start-daemon.ts'
import { StatusPublisher } from './status-publisher.ts'
import { storeUrlOf } from './store-of.ts'
import { unmount } from './unmount.ts'
import { openWriters } from './writers.ts'

const mountMs = 30_000
const canaryMs = 30_000
const restartsWithinMs = 600_000

export interface KeeperParts {
  driver: MountDriver
  spec: MountSpec
  /** With the mount's own keys. */
  store: ObjectStore
  registry: Registry
  spool: Spool
}

/** Watches over one mount: starts its daemon, turns its links to where writing is safe, starts it again, and ends it without losing a file. */
export class MountKeeper implements Keeper {
  readonly #parts: KeeperParts
  readonly #observer: Observer
  readonly #publisher: StatusPublisher
  readonly #ending = new AbortController()
  #daemon: Daemon | undefined
  #verdict: Verdict = { state: 'starting', colour: 'yellow', links: 'spool', daemon: 'keep' }
  #reason: StatusReason | null = null
  #since = Date.now()
  #restarts: number[] = []
  #canary: LinkStatus['lastCanary'] = null
  #spooled: Pending | undefined
  #drained: Promise<void> | undefined
  #isForgotten = false
  #looking: Promise<void> = Promise.resolve()

  constructor(parts: KeeperParts) {
    this.#parts = parts
    const { driver, spec, store, registry } = parts
    this.#observer = new Observer(driver, spec, store)
    this.#publisher = new StatusPublisher(driver.name, spec, registry)
  }

  async start(): Promise<void> {
    try {
      await this.#mount()
    } catch (error) {
      await unmount(this.#parts.spec.mountPoint, 5_000)
      throw error
    }
    await this.tick()
  }

  giveUpStart(): void {
    if (this.#canary === null) this.#ending.abort()
  }

  tick(): Promise<void> {
    this.#looking = this.#look()
    return this.#looking
  }

  async #look(): Promise<void> {
    if (this.#isEnding()) return this.#publish()
    const seen = await this.#observer.look(this.#daemon)
    this.#spooled = await this.#parts.spool.count(await this.#parts.registry.readLinks())
    if (this.#isEnding()) return
    const now = Date.now()
    this.#restarts = this.#restarts.filter((at) => now - at < restartsWithinMs)
    const verdict = judgeMount({
      ...seen,
      restarts: this.#restarts.length,
      spooled: this.#spooled.files,
    })
    this.#become(verdict, seen.mounted ? this.#observer.refusal : undefined)
    await this.#turnLinks()
    if (this.#isEnding()) return
    if (verdict.daemon === 'kill' && this.#daemon !== undefined)
      process.kill(this.#daemon.pid, 'SIGKILL')
    if (verdict.daemon === 'start') await this.#restart()
    if (verdict.links === 'mount') this.#drain()
    await this.#publish()
  }

  #isEnding(): boolean {
    return this.#ending.signal.aborted
  }

  awakened(): Promise<unknown> {
    return this.#daemon?.ended ?? new Promise(() => undefined)
  }

  async #turnLinks(): Promise<void> {
    const { links } = this.#verdict
    if (links === 'stay') return
    for (const link of await this.#parts.registry.readLinks()) {
      await turn(link, links)
    }
  }

  /**
   * Turns the links to the disk, waits until nothing is open and all is sent, and unmounts. When the time is over first, everything stays
   * mounted and goes on being sent.
   */
  async stop(deadline: number): Promise<StopAnswer> {
    const { driver, spec, registry } = this.#parts
    this.#ending.abort()
    // A look that is under way would turn the links back to the mount.
    await Promise.race([
      this.#looking.catch(() => undefined),
      sleep(Math.max(0, deadline - Date.now())),
    ])
    this.#verdict = { state: 'unmounting', colour: 'yellow', links: 'spool', daemon: 'keep' }
    await this.#turnLinks()
    const spooled = this.#sendSpools(deadline)
    for (;;) {
      await this.#publish()
      const open = await driver.pending({ pid: this.#daemon?.pid ?? 0, spec })
      const holders = await openWriters(spec.mountPoint)
      if (open.files === 0 && holders.length === 0) {
        const left = await spooled
        if (left.files === 0 && (await this.#unmount(deadline))) {
          this.#isForgotten = true
          await registry.forget()
          return { isStopped: true, pending: left, holders }
        }
      }
      if (Date.now() >= deadline) {
        this.#become({ ...this.#verdict, state: 'drain-timeout', colour: 'red' }, undefined)
        await this.#publish()
        return { isStopped: false, pending: addPending(open, await spooled), holders }
      }
      await sleep(100)
    }
  }

  async #unmount(deadline: number): Promise<boolean> {
    const { spec } = this.#parts
    if (!(await unmount(spec.mountPoint, Math.max(1_000, deadline - Date.now())))) return false
    await Promise.race([this.#daemon?.ended, sleep(2_000)])
    this.#become({ ...this.#verdict, state: 'stopped' }, undefined)
    await this.#publish()
    return true
  }

  /** Sends what waits on the disk, where it stays until a link leads away from it; answers what is not in S3. */
  async #sendSpools(deadline: number): Promise<Pending> {
    const { spool, registry } = this.#parts
    await this.#drained
    const links = await registry.readLinks()
    const within = AbortSignal.timeout(Math.max(1, deadline - Date.now()))
    try {
      return await spool.drain(links, within)
    } catch {
      return spool.count(links)
    }
  }

  async #mount(): Promise<void> {
    const { driver, spec, store, registry } = this.#parts
    const { signal } = this.#ending
    this.#daemon = await startDaemon(driver, spec, { withinMs: mountMs, signal })
    const { pid } = this.#daemon
    await registry.writeMount({
      key: spec.key,
      driver: driver.name,
      store: storeUrlOf(spec),
      mountPoint: spec.mountPoint,
      cache: spec.cache,
      keeper: await ownProcess(),
      daemon: (await readProcess(pid)) ?? { pid, startedAt: '' },
    })
    const refresh = () => this.#refresh()
    const { ms } = await flyCanary({ spec, store, refresh, withinMs: canaryMs, signal })
    this.#canary = { at: Date.now(), ms }
    this.#observer.settle()
  }

  /** rclone looks at the bucket again on SIGHUP; s3fs has nothing to forget of a new name. */
  #refresh(): void {
    if (this.#parts.driver.name !== 'rclone' || this.#daemon === undefined) return
    try {
      process.kill(this.#daemon.pid, 'SIGHUP')
    } catch {
      // It has just ended, which the next look sees.
    }
  }

  async #restart(): Promise<void> {
    this.#daemon = undefined
    this.#restarts.push(Date.now())
    await this.#publish()
    try {
      await sleep(restartDelayMs(this.#restarts.length, Math.random()), undefined, {
        signal: this.#ending.signal,
      })
      await this.#mount()
    } catch (error) {
      if (this.#ending.signal.aborted) return
      if (!isBerthError(error)) throw error
      const { code, message, hint = '' } = error
      this.#reason = { code, message, hint }
    }
  }

  /** What waits in spools is sent once nothing leads there any more; at most one such work is under way. */
  #drain(): void {
    if (this.#drained !== undefined || (this.#spooled?.files ?? 0) === 0) return
    this.#drained = this.#parts.registry
      .readLinks()
      .then((links) => this.#parts.spool.drain(links, this.#ending.signal))
      .then(() => this.#refresh())
      // What could not be sent stays, and is tried again with the next look.
      .catch(() => undefined)
      .finally(() => (this.#drained = undefined))
  }

  #become(verdict: Verdict, refusal: string | undefined): void {
    if (verdict.state !== this.#verdict.state) this.#since = Date.now()
    const isStillBroken = verdict.daemon === 'start' && this.#reason !== null
    this.#verdict = verdict
    if (!isStillBroken) this.#reason = explainState(verdict.state, this.#parts.spec, refusal)
  }

  async #publish(): Promise<void> {
    if (this.#isForgotten) return
    await this.#publisher.publish({
      verdict: this.#verdict,
      reason: this.#reason,
      since: this.#since,
      pending: addPending(this.#observer.pending, this.#spooled),
      lastCanary: this.#canary,
      restarts: this.#restarts.length,
    })
  }
}

/** Makes the spool where a link is about to lead to it, and removes nothing. */
async function turn(link: LinkRecord, to: 'mount' | 'spool'): Promise<void> {
  if (to === 'spool') await mkdir(link.spool, { recursive: true })
  await retarget(link.path, link[to === 'spool' ? 'spool' : 'target'], [link.spool, link.target])
}

async function ownProcess() {
  return (await readProcess(process.pid)) ?? { pid: process.pid, startedAt: '' }
}
