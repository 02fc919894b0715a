import { lstat } from 'node:fs/promises'
import { hasErrno } from '@berth/filesystem'
import { areEqual, factsOf, type FileFacts, isSameFile } from '../upload/file-facts.ts'
import type { Journal, ProvenFile } from './journal.ts'
import { placeOf } from './scan-folder.ts'
import { isReady, type ReadyQuestion, type WaitingFile } from './watched-file.ts'
import { readWriters } from './writers.ts'

const LOOK_MS = 50
const MAX_LOOK_MS = 1_000
// The kernel takes a file's time from a clock that moves in such steps.
const CLOCK_STEP_MS = 10
const MAX_AGE_MS = 60_000

/** How soon a file counts as finished. */
export interface Pace extends Pick<ReadyQuestion, 'settleMs' | 'isDraining'> {
  /** Other machines may write there, too, and their open files are not to be seen. */
  isShared: boolean
}

/** The files that S3 is not proven to have, and when they may be sent. */
export class WaitingFiles {
  readonly all = new Map<string, WaitingFile>()
  /** The first scan is not over yet. */
  isStarting = true
  /** The kernel tells of every change, so that no file can go and another take its name unnoticed. */
  hearsAll = false
  /** No other machine gives the files their times. */
  hasOwnClock = false
  /** Files that were under their name all the time since this process saw them, as far as it heard. */
  private readonly unbroken = new Set<string>()
  private readonly root: string
  private readonly journal: Journal

  constructor(root: string, journal: Journal) {
    this.root = root
    this.journal = journal
  }

  /** Takes note of a file as it is now; true when S3 may not have it. */
  observe(name: string, facts: FileFacts, now: number): boolean {
    const proven = this.journal.proven.get(name)
    const file = this.all.get(name)
    if (proven?.place === 'here' && areEqual(proven.facts, facts)) {
      this.unbroken.add(name)
      if (file !== undefined && file.state !== 'sending') this.all.delete(name)
      return false
    }
    if (file === undefined) {
      this.all.set(name, {
        name,
        facts,
        state: 'settling',
        since: now,
        unchangedSince: this.sinceChange(facts, now),
        dueAt: 0,
        attempts: 0,
        wasHeard: false,
        isOpen: false,
        isOld: this.isStarting,
      })
    } else if (!areEqual(file.facts, facts)) {
      file.facts = facts
      file.unchangedSince = this.sinceChange(facts, now)
      if (file.state !== 'sending') file.state = 'settling'
    }
    return true
  }

  /**
   * What is on record of the very file that has the name now, changed or not. Of a file that had the name before, and went meanwhile, the
   * object is another's: a counter that starts again must not replace a picture.
   */
  recordOf(name: string, facts: FileFacts): ProvenFile | undefined {
    const proven = this.journal.proven.get(name)
    if (proven?.place !== 'here') return undefined
    const isKnown = isSameFile(proven.facts, facts) || (this.hearsAll && this.unbroken.has(name))
    return isKnown ? proven : undefined
  }

  /** Looks at one file; what is no regular file is not waited for. */
  async look(name: string, now: number): Promise<'file' | 'folder' | 'none'> {
    try {
      const status = await lstat(placeOf(this.root, name), { bigint: true })
      if (status.isFile()) {
        this.observe(name, factsOf(status), now)
        return 'file'
      }
      this.lose(name)
      return status.isDirectory() ? 'folder' : 'none'
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) this.lose(name)
      return 'none'
    }
  }

  /** A file that was sent is looked at again, unless nothing can have happened to it: what it is now may be in S3, or not. */
  async release(file: WaitingFile, now: number): Promise<void> {
    const proven = this.journal.proven.get(file.name)
    const isAsSent = proven?.place === 'here' && areEqual(proven.facts, file.facts)
    if (isAsSent && this.hearsAll && !file.wasHeard) {
      file.state = 'settling'
      this.observe(file.name, file.facts, now)
      return
    }
    const status = await lstat(placeOf(this.root, file.name), { bigint: true }).catch(
      (error: unknown) => {
        if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
        throw error
      },
    )
    file.state = 'settling'
    file.unchangedSince = now
    if (status?.isFile()) this.observe(file.name, factsOf(status), now)
    else this.lose(file.name)
  }

  /** Puts those that are finished into the queue. */
  async settle(now: number, pace: Pace): Promise<void> {
    const due: WaitingFile[] = []
    for (const file of this.all.values()) {
      if (file.state !== 'settling') continue
      // Before it can be finished there is nothing to see.
      const soonest = Math.max(file.dueAt, file.unchangedSince + pace.settleMs)
      if (pace.isDraining || soonest <= now) due.push(file)
    }
    if (due.length === 0) return
    await Promise.all(due.map(({ name }) => this.look(name, now)))
    // After the look: who opens a file later changes it later, too.
    const writers = readWriters(this.root)
    for (const file of due) {
      if (this.all.get(file.name) !== file) continue
      file.isOpen = writers.names.has(file.name)
      const writersKnown = writers.isComplete && !pace.isShared
      if (isReady({ now, file, isOpen: file.isOpen, writersKnown, ...pace })) {
        file.state = 'queued'
      } else {
        file.dueAt = now + lookDelayMs(now - file.since, this.all.size)
      }
    }
  }

  /** Marks what is no longer there, of everything that a scan did not see. */
  async forget(seen: ReadonlySet<string>, now: number): Promise<void> {
    const missing = [...this.journal.proven]
      .filter(([name, { place }]) => place === 'here' && !seen.has(name))
      .map(([name]) => name)
    const waiting = [...this.all.keys()].filter((name) => !seen.has(name))
    // Looked at once more: a scan may miss what is renamed while it runs.
    for (const name of new Set([...missing, ...waiting])) await this.look(name, now)
  }

  /** By the time that the kernel gave its last change, which no program can set; where that is this machine's kernel. */
  private sinceChange({ ctimeNs }: FileFacts, now: number): number {
    if (!this.hasOwnClock) return now
    const age = Date.now() - Number(ctimeNs) / 1e6 - CLOCK_STEP_MS
    return now - Math.min(Math.max(0, age), MAX_AGE_MS)
  }

  /** The file is not there any more. */
  private lose(name: string): void {
    this.unbroken.delete(name)
    this.journal.miss(name)
    if (this.all.get(name)?.state !== 'sending') this.all.delete(name)
  }
}

/** When to look at a file again that settles: less often the longer a program has it open, and the more of them there are. */
function lookDelayMs(waitedMs: number, count: number): number {
  return Math.min(MAX_LOOK_MS, Math.max(LOOK_MS, waitedMs / 20, Math.min(count / 4, 250)))
}
