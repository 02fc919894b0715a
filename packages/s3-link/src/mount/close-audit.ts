import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isBerthError } from '@berth/core/error'
import type { ObjectStore } from '@berth/object-store'
import { CloseListener } from './close-listener.ts'
import type { LinkRecord } from './registry.ts'

export interface AuditParts {
  mountPoint: string
  /** At the mount's prefix. */
  store: Pick<ObjectStore, 'head' | 'list'>
}

interface Closed {
  /** On the monotonic clock. */
  dueAt: number
  misses: number
}

/** A service may show late what it has. */
const firstLookMs = 5_000
const nextLookMs = 5_000
const looks = 3
/** Requests of one round, and rounds come every second. */
const atOnce = 8
const mostWaiting = 10_000
/** What is asked of a folder's subfolders that were there before. */
const mostListed = 5_000
const lateEventsMs = 200
const nextSettlingMs = 1_000
const mostSettlingMs = 5_000

/**
 * Looks up in the bucket what programs have closed in a mount whose daemon keeps nothing that it could not send: a program that takes no notice of what
 * close(2) answers loses the file without a word. Only names that are missing are found, not a file that could not take the place of an older
 * one.
 */
export class CloseAudit {
  readonly #parts: AuditParts
  readonly #listener: CloseListener
  readonly #waiting = new Map<string, Closed>()
  readonly #missing = new Set<string>()
  readonly #listenedTo = new Set<string>()
  #daemon = 0
  #round: Promise<void> | undefined
  #isPartial = false

  constructor(parts: AuditParts) {
    this.#parts = parts
    this.#listener = new CloseListener({
      closed: (path) => this.#close(this.#nameOf(path)),
      gone: (path) => this.#forget(this.#nameOf(path)),
      missed: () => (this.#isPartial = true),
    })
  }

  /** Files that were closed, and are not in the bucket. */
  get missing(): ReadonlySet<string> {
    return this.#missing
  }

  /** Not everything that is closed is heard of. */
  get isPartial(): boolean {
    return this.#isPartial || (this.#daemon !== 0 && !this.#listener.isListening)
  }

  /** Listens to the folders of a mount that works, anew for another daemon, and begins a round; waits for nothing. */
  look(daemon: number, links: readonly LinkRecord[]): void {
    if (daemon !== this.#daemon) {
      this.#listener.close()
      this.#listenedTo.clear()
      this.#daemon = daemon
      this.#listener.start()
    }
    for (const { target, subfolder } of links) {
      if (this.#listenedTo.has(target)) continue
      this.#listenedTo.add(target)
      this.#listener.listenTo(target)
      void this.#listenBelow(subfolder)
    }
    this.#round ??= this.#lookUp(this.#due(performance.now()))
      // The service does not answer: the next round asks again.
      .catch(() => undefined)
      .finally(() => (this.#round = undefined))
  }

  /**
   * What is missing of everything below a folder that was closed until now. Takes some seconds at most, and none past the deadline: what is not known
   * by then does not count.
   */
  async settle(subfolder: string, deadline: number): Promise<string[]> {
    const end = Math.min(deadline, Date.now() + mostSettlingMs)
    const over = new AbortController()
    const pause = sleep(Math.max(0, end - Date.now()), undefined, over).catch(() => undefined)
    const isBelow = (name: string) => subfolder === '' || name.startsWith(`${subfolder}/`)
    // A service that does not answer says nothing of them.
    const looking = this.#lookAgain(isBelow, end).catch(() => undefined)
    await Promise.race([looking.finally(() => over.abort()), pause])
    return [...this.#missing].filter(isBelow)
  }

  close(): void {
    this.#listener.close()
  }

  async #lookAgain(isWanted: (name: string) => boolean, end: number): Promise<void> {
    // What was closed last has just been heard.
    await sleep(lateEventsMs)
    await this.#round
    for (const name of [...this.#missing].filter(isWanted)) {
      this.#waiting.set(name, { dueAt: 0, misses: 0 })
    }
    const wanted = () => [...this.#waiting].filter(([name]) => isWanted(name))
    for (const misses of [looks - 2, looks - 1]) {
      for (const [, closed] of wanted()) Object.assign(closed, { dueAt: 0, misses })
      for (let left = wanted(), before = -1; left.length !== before && Date.now() < end;) {
        before = left.length
        await this.#lookUp(left.slice(0, atOnce))
        left = wanted()
      }
      if (wanted().length > 0) await sleep(nextSettlingMs)
    }
  }

  #due(now: number): [string, Closed][] {
    return [...this.#waiting].filter(([, { dueAt }]) => dueAt <= now).slice(0, atOnce)
  }

  async #lookUp(files: readonly [string, Closed][]): Promise<void> {
    await Promise.all(files.map(([name, closed]) => this.#lookUpOne(name, closed)))
  }

  async #lookUpOne(name: string, closed: Closed): Promise<void> {
    const found = await this.#find(name)
    // It was closed again, or removed, meanwhile.
    if (this.#waiting.get(name) !== closed) return
    closed.misses += 1
    closed.dueAt = performance.now() + nextLookMs
    if (!found && closed.misses < looks) return
    this.#waiting.delete(name)
    if (found) this.#missing.delete(name)
    else this.#missing.add(name)
  }

  async #find(name: string): Promise<boolean> {
    try {
      return (await this.#parts.store.head(name)) !== undefined
    } catch (error) {
      // A name that is no key of ours can't be looked up.
      if (isBerthError(error, 'object-store/bad-key')) return true
      throw error
    }
  }

  #close(name: string): void {
    // Berth's own, and what the kernel gives a file that is removed while it is open.
    if (/(?:^|\/)\.(?:berth-|fuse_hidden)/.test(name)) return
    if (this.#waiting.size >= mostWaiting) this.#isPartial = true
    else this.#waiting.set(name, { dueAt: performance.now() + firstLookMs, misses: 0 })
  }

  #forget(name: string): void {
    for (const names of [this.#waiting, this.#missing]) {
      if (!name.endsWith('/')) names.delete(name)
      else for (const below of names.keys()) if (below.startsWith(name)) names.delete(below)
    }
  }

  /** The subfolders that are there already, of a bucket that is too big for it only some. */
  async #listenBelow(subfolder: string): Promise<void> {
    const { store, mountPoint } = this.#parts
    const folders = new Set<string>()
    let count = 0
    try {
      for await (const { key } of store.list(subfolder === '' ? '' : `${subfolder}/`)) {
        for (let at = dirname(key); at !== '.' && at !== subfolder; at = dirname(at))
          folders.add(at)
        if (++count >= mostListed) break
      }
    } catch {
      this.#isPartial = true
    }
    if (count >= mostListed) this.#isPartial = true
    for (const folder of folders) this.#listener.listenTo(join(mountPoint, folder))
  }

  #nameOf(path: string): string {
    return path.slice(this.#parts.mountPoint.length + 1)
  }
}
