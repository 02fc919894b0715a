import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ObjectStore } from '@berth/object-store'
import type { MountDriver, MountSpec, Pending } from '../driver/driver.ts'
import { clearPlace, moveToSpools } from './clear-place.ts'
import { CloseAudit } from './close-audit.ts'
import { DaemonSupervisor } from './daemon-supervisor.ts'
import type { Keeper, StopAnswer } from './keeper-contract.ts'
import { endLink } from './link-ending.ts'
import { LinkOwnership } from './link-owner.ts'
import { endMount } from './mount-ending.ts'
import { judgeMount, type Verdict } from './mount-state.ts'
import { Observer } from './observer.ts'
import { explainMissing, explainRescue, explainState } from './reasons.ts'
import type { LinkRecord, Registry } from './registry.ts'
import { rescueFiles } from './rescue.ts'
import { retarget } from './retarget.ts'
import { addPending, noneWaits, type Spool } from './spool.ts'
import { StatusPublisher } from './status-publisher.ts'
import { unmount } from './unmount.ts'

export interface KeeperParts {
  driver: MountDriver
  spec: MountSpec
  /** With the mount's own keys. */
  store: ObjectStore
  registry: Registry
  spool: Spool
  /** In the place of one that was killed: whatever the mount is like, it is kept. */
  isRevived: boolean
}

/** How long a link that nothing waits for any more is left to who takes it away. */
const takeAwayMs = 10_000

/** Watches over one mount: turns its links to where writing is safe, has its daemon started again, and ends it without losing a file. */
export class MountKeeper implements Keeper {
  readonly #parts: KeeperParts
  readonly #observer: Observer
  readonly #publisher: StatusPublisher
  readonly #supervisor: DaemonSupervisor
  readonly #ownership = new LinkOwnership()
  readonly #audit: CloseAudit | undefined
  readonly #ending = new AbortController()
  #verdict: Verdict = { state: 'starting', colour: 'yellow', links: 'spool', daemon: 'keep' }
  #since = Date.now()
  #spooled: Pending | undefined
  #drained: Promise<void> | undefined
  /** Whether each is whole, by path. */
  readonly #rescued = new Map<string, boolean>()
  /** The links that are about to be taken away, by path; each with who asked for it. */
  readonly #leaving = new Map<string, symbol>()
  #isOtherBucket = false
  #isForgotten = false
  #looking: Promise<void> = Promise.resolve()

  constructor(parts: KeeperParts) {
    this.#parts = parts
    const { driver, spec, store, registry } = parts
    this.#observer = new Observer(driver, spec, store)
    this.#publisher = new StatusPublisher(driver.name, spec, registry)
    const { mountPoint } = spec
    if (driver.isAudited) this.#audit = new CloseAudit({ mountPoint, store })
    this.#supervisor = new DaemonSupervisor({
      driver,
      spec,
      store,
      registry,
      signal: this.#ending.signal,
      onProven: (identity) => this.#observer.settle(identity),
      clearPlace: async () => {
        const links = await registry.readLinks()
        const moved = await clearPlace({ mountPoint, links, found: foundIn(spec) })
        for (const path of moved) this.#rescued.set(path, true)
      },
    })
  }

  async start(): Promise<void> {
    if (!(await this.#supervisor.adopt()) && !this.#parts.isRevived) {
      try {
        await this.#supervisor.start()
      } catch (error) {
        // Links of a mount that was there before must not lead nowhere.
        await this.#turnLinks()
        await unmount(this.#parts.spec.mountPoint, 5_000)
        throw error
      }
    }
  }

  giveUpStart(): void {
    if (this.#supervisor.lastCanary === null) this.#ending.abort()
  }

  tick(): Promise<void> {
    this.#looking = this.#look()
    return this.#looking
  }

  async #look(): Promise<void> {
    const { registry, spool } = this.#parts
    if (this.#isEnding()) {
      // Nothing else looks at what waits until it is asked to end again.
      if (this.#verdict.state === 'drain-timeout') {
        await this.#observer.count(this.#supervisor.pid)
        this.#spooled = await spool.count(await registry.readLinks())
      }
      return this.#publish()
    }
    const { daemon } = this.#supervisor
    const seen = await this.#observer.look(daemon)
    const links = await registry.readLinks()
    for (const path of await moveToSpools(foundIn(this.#parts.spec), links)) {
      this.#rescued.set(path, true)
    }
    this.#spooled = await spool.count(links)
    if (this.#isEnding()) return
    const { restarts } = this.#supervisor
    const verdict = judgeMount({ ...seen, restarts, spooled: this.#spooled.files })
    this.#become(verdict)
    await this.#turnLinks()
    if (this.#isEnding()) return
    if (verdict.daemon === 'kill') await this.#endHanging()
    // One that has come since it was looked for is not ended for another.
    const isNew = this.#supervisor.daemon !== daemon
    if (verdict.daemon === 'start' && !isNew) this.#supervisor.startAgain()
    if (verdict.links === 'mount') {
      this.#drain()
      this.#audit?.look(this.#supervisor.pid, links)
    }
    await this.#publish()
  }

  #isEnding(): boolean {
    return this.#ending.signal.aborted
  }

  awakened(): Promise<unknown> {
    return this.#supervisor.daemon?.ended ?? new Promise(() => undefined)
  }

  async #turnLinks(): Promise<void> {
    const { links } = this.#verdict
    if (links === 'stay') return
    const known = await this.#parts.registry.readLinks()
    for (const path of this.#leaving.keys()) {
      if (known.every((link) => link.path !== path)) this.#leaving.delete(path)
    }
    const own = await this.#ownership.keep(known)
    for (const link of own) if (!this.#leaving.has(link.path)) await turn(link, links)
  }

  async leave(path: string, deadline: number): Promise<StopAnswer> {
    const { driver, spec, registry } = this.#parts
    const link = (await registry.readLinks()).find((found) => found.path === path)
    if (link === undefined) return { isStopped: true, pending: noneWaits, holders: [] }
    const asked = Symbol(path)
    this.#leaving.set(path, asked)
    // A look that is under way would turn it back.
    await Promise.race([this.#looking.catch(() => undefined), untilDeadline(deadline)])
    await turn(link, 'spool')
    const pid = this.#supervisor.pid
    const sendSpool = () => this.#sendSpools(deadline, [link])
    const countSpool = () => this.#parts.spool.count([link])
    const answer = await endLink({ driver, spec, pid, link, sendSpool, countSpool, deadline })
    // Who asked may be gone: then the link is one like the others again.
    const goOn = () => this.#leaving.get(path) === asked && this.#leaving.delete(path)
    if (answer.isStopped) setTimeout(goOn, takeAwayMs + deadline - Date.now()).unref()
    else goOn()
    if (!answer.isStopped) return answer
    return { ...answer, missing: (await this.#audit?.settle(link.subfolder, deadline)) ?? [] }
  }

  /** What it has open is copied first: with the daemon it would be gone. */
  async #endHanging(): Promise<void> {
    const { driver, spec, registry } = this.#parts
    const held = await driver.held({ pid: this.#supervisor.pid, spec })
    const links = await registry.readLinks()
    const rescued = await rescueFiles({ held, mountPoint: spec.mountPoint, links })
    for (const { path, isWhole } of rescued) this.#rescued.set(path, isWhole)
    this.#supervisor.kill()
  }

  async stop(deadline: number): Promise<StopAnswer> {
    const { driver, spec, registry } = this.#parts
    this.#ending.abort()
    // A look or a start that is under way would turn the links back to the mount.
    await Promise.race([
      Promise.all([this.#looking.catch(() => undefined), this.#supervisor.settled()]),
      untilDeadline(deadline),
    ])
    this.#isOtherBucket = this.#verdict.state === 'identity-mismatch'
    this.#become({ state: 'unmounting', colour: 'yellow', links: 'spool', daemon: 'keep' })
    await this.#turnLinks()
    const answer = await endMount({
      driver,
      spec,
      pid: this.#supervisor.pid,
      links: await registry.readLinks(),
      sendSpools: async () => this.#sendSpools(deadline, await registry.readLinks()),
      deadline,
      onWait: () => this.#publish(),
    })
    if (answer.isStopped) {
      answer.missing = (await this.#audit?.settle('', deadline)) ?? []
      this.#audit?.close()
      await this.#ownership.release(await registry.readLinks())
      await Promise.race([this.#supervisor.daemon?.ended, sleep(2_000)])
      this.#become({ ...this.#verdict, state: 'stopped' })
      await this.#publish()
      this.#isForgotten = true
      await registry.forget()
    } else {
      this.#become({ ...this.#verdict, state: 'drain-timeout', colour: 'red' })
      await this.#publish()
    }
    return answer
  }

  /** Sends what waits on the disk, where it stays until a link leads away from it; answers what is not in S3. */
  async #sendSpools(deadline: number, links: readonly LinkRecord[]): Promise<Pending> {
    const { spool } = this.#parts
    // What waits for one bucket does not go to another: it stays beside the folder.
    if (this.#isOtherBucket || this.#verdict.state === 'identity-mismatch') return noneWaits
    while (this.#drained !== undefined) await this.#drained
    // A whole number: a fraction of a millisecond is an error.
    const withinMs = Math.max(1, Math.ceil(deadline - Date.now()))
    const sending = spool.drain(links, AbortSignal.timeout(withinMs))
    this.#sendAlone(sending)
    return sending.catch(() => spool.count(links))
  }

  /** What waits in spools is sent once nothing leads there any more; at most one such work is under way. */
  #drain(): void {
    if (this.#drained !== undefined || (this.#spooled?.files ?? 0) === 0) return
    const sending = this.#parts.registry
      .readLinks()
      .then((links) => this.#parts.spool.drain(links, this.#ending.signal))
      .then(() => this.#supervisor.refresh())
    this.#sendAlone(sending)
  }

  /** Two that send the same spool would find each other's files in the bucket. What could not be sent stays, and is tried again. */
  #sendAlone(sending: Promise<unknown>): void {
    this.#drained = sending.then(noop, noop).finally(() => (this.#drained = undefined))
  }

  #become(verdict: Verdict): void {
    if (verdict.state !== this.#verdict.state) this.#since = Date.now()
    this.#verdict = verdict
  }

  async #publish(): Promise<void> {
    if (this.#isForgotten) return
    const { state, daemon } = this.#verdict
    const { fault, lastCanary, restarts } = this.#supervisor
    const told = explainState(state, this.#parts.spec, this.#observer.refusal)
    await this.#publisher.publish({
      verdict: this.#verdict,
      reason: daemon === 'start' ? (fault ?? told) : told,
      warnings: [...explainRescue(this.#rescued), ...explainMissing(this.#audit)],
      since: this.#since,
      pending: addPending(this.#observer.pending, this.#spooled),
      lastCanary,
      restarts,
    })
  }
}

function noop(): void {
  // Whoever began the work hears how it ended.
}

function untilDeadline(deadline: number): Promise<void> {
  return sleep(Math.max(0, deadline - Date.now()), undefined, { ref: false })
}

/** Where files wait that were found in the mount's place before there was a link. */
function foundIn({ cache }: MountSpec): string {
  return join(cache, 'found')
}

/** Makes the spool where a link is about to lead to it, and removes nothing. */
async function turn(link: LinkRecord, to: 'mount' | 'spool'): Promise<void> {
  if (to === 'spool') await mkdir(link.spool, { recursive: true })
  await retarget(link.path, link[to === 'spool' ? 'spool' : 'target'], [link.spool, link.target])
}
