import { lstat } from 'node:fs/promises'
import { type FileFacts, factsOf } from '../upload/file-facts.ts'
import { placeOf } from './scan-folder.ts'
import { readWriters } from './writers.ts'

/** A file whose name says that it is not finished, and which a program is at work on. */
export interface UnfinishedFile {
  name: string
  size: number
}

interface Seen {
  facts: FileFacts
  /** Since when its facts are these, on the monotonic clock. */
  unchangedSince: number
  isOpen: boolean
}

// Who has been silent for so long has left it behind.
const ABANDONED_MS = 60_000
const LOOK_MS = 500

/**
 * Files that are not finished: they are not sent, but whoever stops the machine loses what a program is at work on. Those that nobody has open
 * and that have not changed for a minute are left behind: they are told, and hold up nothing.
 */
export class UnfinishedFiles {
  private readonly root: string
  private readonly seen = new Map<string, Seen>()
  private lookedAt = -Infinity

  constructor(root: string) {
    this.root = root
  }

  /** Takes note of one as it is now. */
  observe(name: string, facts: FileFacts, now: number): void {
    const before = this.seen.get(name)
    const isSame = before?.facts.size === facts.size && before.facts.mtimeNs === facts.mtimeNs
    if (isSame) return
    // One that is old already when it is seen first is not at work.
    const age = before === undefined ? Math.max(0, Date.now() - Number(facts.mtimeNs) / 1e6) : 0
    this.seen.set(name, { facts, unchangedSince: now - age, isOpen: before?.isOpen ?? false })
  }

  /** Looks at one that something was heard of. */
  async hear(name: string, now: number): Promise<void> {
    if (!this.seen.has(name)) await this.look(name, now)
  }

  /** Forgets what a scan did not see. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.seen.keys()) if (!names.has(name)) this.seen.delete(name)
  }

  /** Looks at all of them again, now and then, and who has them open. */
  async refresh(now: number, isDue = now - this.lookedAt >= LOOK_MS): Promise<void> {
    if (this.seen.size === 0 || !isDue) return
    this.lookedAt = now
    await Promise.all([...this.seen.keys()].map((name) => this.look(name, now)))
    if (this.seen.size === 0) return
    const writers = readWriters(this.root)
    const open = [...writers.names]
    for (const [name, file] of this.seen)
      file.isOpen = open.some((path) => path === name || path.startsWith(`${name}/`))
  }

  /** Those that a program is at work on. */
  atWork(now: number): UnfinishedFile[] {
    return [...this.seen]
      .filter(([, { isOpen, unchangedSince }]) => isOpen || now - unchangedSince < ABANDONED_MS)
      .map(([name, { facts }]) => ({ name, size: facts.size }))
  }

  private async look(name: string, now: number): Promise<void> {
    const status = await lstat(placeOf(this.root, name), { bigint: true }).catch(() => undefined)
    if (status === undefined) this.seen.delete(name)
    else this.observe(name, factsOf(status), now)
  }
}
