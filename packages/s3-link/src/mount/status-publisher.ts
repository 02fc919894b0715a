import { mkdir } from 'node:fs/promises'
import type { DriverName, MountSpec, Pending } from '../driver/driver.ts'
import type { LinkStatus, StatusReason } from './link-status.ts'
import { judgeSafety, type Verdict } from './mount-state.ts'
import type { LinkRecord, Registry } from './registry.ts'
import { targetOf } from './retarget.ts'
import { shownKey } from './shown-key.ts'
import { storeUrlOf } from './store-of.ts'

/** What a keeper knows of its mount at one moment. */
export interface MountFacts {
  verdict: Verdict
  reason: StatusReason | null
  warnings: StatusReason[]
  since: number
  pending: Pending
  lastCanary: LinkStatus['lastCanary']
  restarts: number
}

/** Writes a mount's status where everyone who asks reads it, and knows from one to the next how fast what waits becomes less. */
export class StatusPublisher {
  readonly #driver: DriverName
  readonly #spec: MountSpec
  readonly #registry: Registry
  #before: { at: number; bytes: number } | undefined
  #rate: number | undefined

  constructor(driver: DriverName, spec: MountSpec, registry: Registry) {
    this.#driver = driver
    this.#spec = spec
    this.#registry = registry
  }

  async publish({ verdict, pending, ...facts }: MountFacts): Promise<void> {
    const { key, mountPoint, credentials } = this.#spec
    this.#measure(pending.bytes)
    const links = await this.#registry.readLinks()
    await mkdir(this.#registry.folder, { recursive: true, mode: 0o711 })
    await this.#registry.writeStatus({
      version: 1,
      key,
      driver: this.#driver,
      state: verdict.state,
      colour: verdict.colour,
      ...facts,
      updatedAt: Date.now(),
      store: storeUrlOf(this.#spec),
      accessKey: shownKey(credentials.accessKeyId),
      mountPoint,
      links: await Promise.all(links.map(describeLink)),
      pending,
      safeToStop: judgeSafety(pending, this.#rate),
    })
  }

  #measure(bytes: number): void {
    const at = performance.now()
    if (this.#before !== undefined && bytes < this.#before.bytes) {
      this.#rate = ((this.#before.bytes - bytes) * 1000) / (at - this.#before.at)
    }
    if (bytes !== this.#before?.bytes) this.#before = { at, bytes }
  }
}

async function describeLink(link: LinkRecord): Promise<LinkStatus['links'][number]> {
  const target = await targetOf(link.path)
  const leadsTo = target === link.target ? 'mount' : target === link.spool ? 'spool' : 'elsewhere'
  return { path: link.path, user: link.user, leadsTo }
}
