import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { readFileIfPresent, removeTree } from '@berth/filesystem'
import { probeClock } from '../scan/clock.ts'
import { micros } from '../scan/scan-directory.ts'

/** A directory beside the one that is restored, in which a snapshot's tree grows. */
export interface Staging extends Disposable {
  /** The tree. */
  tree: string
  /** Everything, the journal too. */
  directory: string
  /** Whether a restore that was cut had begun it. */
  continued: boolean
  /** The numbers of the chunks whose files are all written. */
  finished: ReadonlySet<number>
  finish: (chunk: number) => void
}

// One that is under way touches its journal so often; what was still for ten seconds has died or hangs.
const HEARTBEAT_MS = 2000
const STILL_MICROS = 10_000_000
const POLL_MS = 500

interface StagingOptions {
  state: string
  /** The snapshot's: names tell nothing, because every archive begins with 00000001. */
  id: string
  signal?: AbortSignal | undefined
  /** Another pod on the same volume is at it. Answers whether it has ended meanwhile, so that there is nothing left to do. */
  isDone: () => Promise<boolean>
}

/**
 * Continues what a cut restore of this snapshot left, or begins anew; removes what is left of other snapshots. A directory is taken
 * over by renaming it: should its owner live after all, it fails at its next path rather than to write into ours. The caller holds
 * the tree's lock, so owners in this container are dead. What another boot of the machine wrote is not continued: nothing says how
 * much of it had reached the disk. Answers `undefined` when it was done by another pod meanwhile.
 */
export async function openStaging(options: StagingOptions): Promise<Staging | undefined> {
  const { state, id, signal } = options
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const directory = join(state, `staging-${id}-${randomBytes(4).toString('hex')}`)
  for (;;) {
    signal?.throwIfAborted()
    const found = listStagings(state)
    const own = found.filter(({ name }) => name.startsWith(`staging-${id}-`))
    if (own.some(({ isLive }) => isLive)) {
      await setTimeout(POLL_MS)
      if (await options.isDone()) return undefined
      continue
    }
    const left = own.find(({ owner }) => owner !== undefined && owner.boot === bootId())
    const continued = left !== undefined && tryRename(join(state, left.name), directory)
    for (const { name, isLive } of found) {
      if (name !== left?.name && !isLive) await discard(state, name)
    }
    return start(directory, continued)
  }
}

/** Whether a restore of any snapshot was cut here, or is under way. */
export function hasStaging(state: string): boolean {
  return existsSync(state) && readdirSync(state).some((name) => name.startsWith('staging-'))
}

/** Removes one that is not needed. Whoever wrote into it has ended. */
export async function discardStaging({ directory }: Staging): Promise<void> {
  await discard(dirname(directory), basename(directory))
}

async function start(directory: string, continued: boolean): Promise<Staging> {
  const [tree, journal] = [join(directory, 'tree'), join(directory, 'journal')]
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const lines = ((await readFileIfPresent(journal))?.toString() ?? '').split('\n')
  appendFileSync(journal, `\nowner ${bootId()} ${networkId()}\n`)
  // A line without its end was cut while it was written.
  const finished = new Set(
    lines.slice(0, -1).flatMap((line) => (/^\d+$/.test(line) ? [+line] : [])),
  )
  const heartbeat = setInterval(() => beat(journal), HEARTBEAT_MS).unref()
  return {
    tree,
    directory,
    continued,
    finished,
    finish: (chunk) => appendFileSync(journal, `${chunk}\n`),
    [Symbol.dispose]: () => clearInterval(heartbeat),
  }
}

function beat(journal: string): void {
  try {
    // Of the file system's own clock, which is the only one that all pods agree on.
    appendFileSync(journal, '\n')
  } catch {
    // Taken over, or put in place already: whoever writes the next file will say so.
  }
}

interface FoundStaging {
  name: string
  owner: { boot: string; network: string } | undefined
  /** In the hands of another container, as far as one can tell. */
  isLive: boolean
}

function listStagings(state: string): FoundStaging[] {
  const names = readdirSync(state).filter((name) => /^(staging|discarded)-/.test(name))
  if (names.length === 0) return []
  const now = probeClock(state)
  return names.map((name) => {
    const owner = readOwner(join(state, name))
    const isOurs = owner?.boot === bootId() && owner.network === networkId()
    return { name, owner, isLive: !isOurs && now - lastSign(join(state, name)) < STILL_MICROS }
  })
}

function readOwner(directory: string): FoundStaging['owner'] {
  try {
    const lines = readFileSync(join(directory, 'journal'), 'utf8').split('\n')
    const [, boot = '', network = ''] =
      lines.findLast((line) => line.startsWith('owner '))?.split(' ') ?? []
    return { boot, network }
  } catch {
    return undefined
  }
}

/** When its owner last wrote into it, in microseconds of the file system's clock. */
function lastSign(directory: string): number {
  const stats = [join(directory, 'journal'), directory].map((path) =>
    lstatSync(path, { throwIfNoEntry: false }),
  )
  return micros((stats[0] ?? stats[1])?.mtimeMs ?? 0)
}

/** Renamed first, so that an owner that lives after all can't put a tree in place that is half removed. */
async function discard(state: string, name: string): Promise<void> {
  const condemned = join(state, `discarded-${randomBytes(4).toString('hex')}`)
  if (tryRename(join(state, name), condemned)) await removeTree(condemned)
}

function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return false
  }
}

/** What the machine's memory held is lost when this changes. Empty where the system doesn't tell, as on macOS. */
function bootId(): string {
  return readFact(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
}

/** The processes that share the tree's lock. */
function networkId(): string {
  return readFact(() => readlinkSync('/proc/self/ns/net'))
}

function readFact(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
