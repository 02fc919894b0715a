import { statfs } from 'node:fs/promises'
import { isBerthError } from '@berth/core/error'
import type { ObjectStore } from '@berth/object-store'
import type { MountDriver, MountSpec, Pending } from '../driver/driver.ts'
import { type Identity, readIdentity } from './identity.ts'
import { limits, type Observation } from './mount-state.ts'
import { mountAt } from './mount-table.ts'
import { isRunning, type ProcessFacts, readProcess } from './process-facts.ts'
import { runShort } from './short-command.ts'
import type { Daemon } from './start-daemon.ts'

const probeEveryMs = 5_000
const probeMs = 3_000
const serverEveryMs = 15_000
/** While the service does not answer: apps wait for it. */
const silentEveryMs = 3_000

const refusals = new Set(
  ['bad-credentials', 'access-denied', 'no-such-bucket', 'no-credentials', 'wrong-region'].map(
    (problem) => `object-store/${problem}`,
  ),
)

/** What a mount and its surroundings look like; each look is begun when it is due, at most one of a kind is under way, and none is waited for. */
export class Observer {
  readonly #driver: MountDriver
  readonly #spec: MountSpec
  readonly #store: ObjectStore
  #probedAt = 0
  #isProbing = false
  #askedAt = 0
  #isAsking = false
  #late = 0
  #lateSince = 0
  #stuck: ProcessFacts | undefined
  #server: Observation['server'] = 'answers'
  #silentSince = 0
  #refusal: string | undefined
  #identity: Identity | undefined
  #isOther = false
  #pending: Pending = { files: 0, bytes: 0, oldestAgeMs: 0, confidence: 'unknown', names: [] }

  constructor(driver: MountDriver, spec: MountSpec, store: ObjectStore) {
    this.#driver = driver
    this.#spec = spec
    this.#store = store
  }

  /** What the service said when it refused the key. */
  get refusal(): string | undefined {
    return this.#refusal
  }

  get pending(): Pending {
    return this.#pending
  }

  /** After a canary: everything works, seen just now, and in which bucket. */
  settle(identity: Identity | undefined): void {
    this.#identity = identity
    this.#isOther = false
    this.#late = 0
    this.#server = 'answers'
    this.#probedAt = this.#askedAt = performance.now()
  }

  async look(daemon: Daemon | undefined): Promise<Omit<Observation, 'restarts' | 'spooled'>> {
    const now = performance.now()
    const seen = await mountAt(this.#spec.mountPoint)
    const mounted =
      daemon !== undefined &&
      !daemon.hasEnded() &&
      seen?.id === daemon.mount.id &&
      seen.device === daemon.mount.device
    if (mounted && now - this.#probedAt >= probeEveryMs) void this.#probe()
    const everyMs = this.#server === 'answers' && !this.#isOther ? serverEveryMs : silentEveryMs
    if (now - this.#askedAt >= everyMs) void this.#ask()
    // A daemon that waits for the service does not hang by itself.
    if (this.#server !== 'answers') this.#lateSince = now
    await this.count(daemon?.pid ?? 0)
    return {
      mounted,
      lateProbes: this.#late,
      lateMs: this.#late === 0 ? 0 : now - this.#lateSince,
      endHungAfterMs: this.#spec.options.endHungAfterMs,
      server: this.#server,
      isOtherBucket: this.#isOther,
      silentMs: this.#server === 'silent' ? now - this.#silentSince : 0,
      ...(await roomOf(this.#spec.cache)),
    }
  }

  /** What the daemon has that is not sent, 0 for none. */
  async count(pid: number): Promise<void> {
    this.#pending = await this.#driver.pending({ pid, spec: this.#spec })
  }

  async #probe(): Promise<void> {
    if (this.#isProbing) return
    this.#isProbing = true
    this.#probedAt = performance.now()
    if (await this.#isAnswered()) this.#late = 0
    else {
      if (this.#late === 0) this.#lateSince = this.#probedAt
      this.#late += 1
    }
    this.#isProbing = false
  }

  /** A program that looks at a hung mount hangs itself and can't be killed: while one does, no other is sent after it. */
  async #isAnswered(): Promise<boolean> {
    if (this.#stuck !== undefined && (await isRunning(this.#stuck))) return false
    this.#stuck = undefined
    const { result, pid } = await runShort(['stat', '--', this.#spec.mountPoint], probeMs)
    if (result === 'late') this.#stuck = await readProcess(pid)
    return result === 'ended'
  }

  /** The bucket's own API, so that a silent server and a broken daemon are told apart. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#askedAt = performance.now()
    try {
      const found = await readIdentity(this.#store)
      this.#isOther = this.#identity !== undefined && found !== this.#identity.id
      this.#server = 'answers'
      this.#refusal = undefined
    } catch (error) {
      const isRefusal = isBerthError(error) && refusals.has(error.code)
      if (this.#server === 'answers') this.#silentSince = this.#askedAt
      this.#server = isRefusal ? 'refuses' : 'silent'
      this.#refusal = error instanceof Error ? error.message : String(error)
    }
    this.#isAsking = false
  }
}

/** Room of a disk that can't be asked counts as enough. */
async function roomOf(path: string): Promise<Pick<Observation, 'roomBytes' | 'neededBytes'>> {
  try {
    const { bavail, blocks, bsize } = await statfs(path)
    const neededBytes = Math.min(limits.roomBytes, blocks * bsize * limits.roomShare)
    return { roomBytes: bavail * bsize, neededBytes }
  } catch {
    return { roomBytes: Number.POSITIVE_INFINITY, neededBytes: 0 }
  }
}
