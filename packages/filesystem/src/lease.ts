import { randomBytes } from 'node:crypto'
import { link, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { BerthError } from '@berth/core/error'
import { mayStealLease } from './decisions.ts'
import { hasErrno } from './errno.ts'
import { makeDirectory, readFileIfPresent } from './file.ts'
import { temporaryName } from './temporary.ts'

export interface LeaseSettings {
  /** The lease's file. */
  path: string
  /** Who holds it, for others to read. */
  owner: string
  ttlMs: number
}

export interface Lease {
  state: 'held'
  /** Aborts with `filesystem/lease-lost` when the lease could not be kept: stop writing what it protects. */
  signal: AbortSignal
  /** Extends it by another term now; a heartbeat does so every third of one by itself. Throws `filesystem/lease-lost`. */
  renew: () => Promise<void>
  /** Gives it up. Running it twice is the same as once; a lease that another has taken meanwhile stays theirs. */
  release: () => Promise<void>
}

export interface BusyLease {
  state: 'busy'
  owner: string
  /** Milliseconds since the epoch, by the holder's clock. It can be taken one term later. */
  expiresAt: number
}

interface LeaseRecord {
  owner: string
  host: string
  bootId: string
  pid: number
  nonce: string
  ttlMs: number
  expiresAt: number
}

/**
 * Takes a lease that pods on a shared volume agree on: a file that only one can create (link(2), or `O_EXCL` where there are no hard
 * links). A holder that is killed keeps it until it has been over for a whole term; then the file is moved away, and put back should
 * it turn out to be another one. A holder stops by itself before that: it never renews what is over.
 */
export async function acquireLease(settings: LeaseSettings): Promise<Lease | BusyLease> {
  const { path, owner, ttlMs } = settings
  await makeDirectory(dirname(path))
  const record: LeaseRecord = {
    owner,
    host: hostname(),
    bootId: (await readFileIfPresent('/proc/sys/kernel/random/boot_id'))?.toString().trim() ?? '',
    pid: process.pid,
    nonce: randomBytes(16).toString('hex'),
    ttlMs,
    expiresAt: Date.now() + ttlMs,
  }
  const temporary = temporaryName(path, 'tmp')
  await writeRecord(temporary, record)
  try {
    const holder = await take(path, temporary)
    if (holder !== undefined)
      return { state: 'busy', owner: holder.owner, expiresAt: holder.expiresAt }
  } finally {
    await rm(temporary, { force: true })
  }
  return holdLease(path, record)
}

/** Undefined when the lease is ours now, else who has it. */
async function take(path: string, temporary: string): Promise<LeaseRecord | undefined> {
  if (await createExclusively(path, temporary)) return undefined
  const holder = await readHolder(path, temporary)
  if (holder === undefined)
    return (await createExclusively(path, temporary)) ? undefined : unknownHolder()
  if (
    !mayStealLease({
      nowMs: Date.now(),
      expiresAtMs: holder.expiresAt,
      ttlMs: holder.ttlMs,
      ageMs: holder.ageMs,
    })
  ) {
    return holder
  }
  await moveAway(path, holder.nonce)
  return (await createExclusively(path, temporary))
    ? undefined
    : ((await readHolder(path, temporary)) ?? unknownHolder())
}

/** Keeps a lease alive until it is released or lost. */
function holdLease(path: string, record: LeaseRecord): Lease {
  const lost = new AbortController()
  // Counted on the monotonic clock: a wall clock that is set back must not make an old lease young.
  let overAt = performance.now() + record.ttlMs
  const lose = (why: string, cause?: unknown): BerthError => {
    const error = new BerthError(
      'filesystem/lease-lost',
      `could not keep the lease \`${path}\`: ${why}`,
      {
        hint: 'try again; make the term longer when the volume is slow',
        cause,
      },
    )
    lost.abort(error)
    return error
  }
  const renew = async (): Promise<void> => {
    lost.signal.throwIfAborted()
    if (performance.now() >= overAt) throw lose('it was not renewed in time')
    if ((await readRecord(path))?.nonce !== record.nonce) throw lose('another process has taken it')
    const startedAt = performance.now()
    const temporary = temporaryName(path, 'tmp')
    try {
      await writeRecord(temporary, { ...record, expiresAt: Date.now() + record.ttlMs })
      if (performance.now() >= overAt) throw lose('it was not renewed in time')
      await rename(temporary, path)
    } finally {
      await rm(temporary, { force: true })
    }
    overAt = startedAt + record.ttlMs
  }
  let beating = Promise.resolve()
  const beat = async (): Promise<void> => {
    try {
      await renew()
    } catch (error) {
      // A volume that fails once may answer at the next beat, as long as the lease isn't over.
      if (performance.now() >= overAt) lose('the volume did not answer in time', error)
    }
  }
  const timer = setInterval(() => (beating = beating.then(beat)), record.ttlMs / 3).unref()
  lost.signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  return {
    state: 'held',
    signal: lost.signal,
    renew,
    release: async () => {
      clearInterval(timer)
      await beating
      await moveAway(path, record.nonce)
    },
  }
}

/** Removes the lease with this nonce and no other: moved away first, looked at, and put back when it is someone else's. */
async function moveAway(path: string, nonce: string): Promise<void> {
  if ((await readRecord(path))?.nonce !== nonce) return
  const away = temporaryName(path, 'tmp')
  try {
    await rename(path, away)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return
    throw error
  }
  if ((await readRecord(away))?.nonce !== nonce) await createExclusively(path, away)
  await rm(away, { force: true })
}

async function createExclusively(path: string, whole: string): Promise<boolean> {
  try {
    await link(whole, path)
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    if (!hasErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error
  }
  try {
    await using file = await open(path, 'wx', 0o644)
    await file.writeFile(await readFile(whole))
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    throw error
  }
}

async function writeRecord(path: string, record: LeaseRecord): Promise<void> {
  await using file = await open(path, 'wx', 0o644)
  await file.writeFile(JSON.stringify(record))
  await file.sync()
}

async function readRecord(path: string): Promise<LeaseRecord | undefined> {
  const data = await readFileIfPresent(path)
  if (data === undefined) return undefined
  try {
    return JSON.parse(data.toString()) as LeaseRecord
  } catch {
    return unknownHolder()
  }
}

async function readHolder(
  path: string,
  fresh: string,
): Promise<(LeaseRecord & { ageMs: number }) | undefined> {
  try {
    const [{ mtimeMs }, { mtimeMs: now }] = await Promise.all([stat(path), stat(fresh)])
    const record = await readRecord(path)
    return record && { ...record, ageMs: now - mtimeMs }
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** A file that is still empty, or was cut while it was written: nobody's, and over a minute after its last change. */
function unknownHolder(): LeaseRecord {
  return { owner: 'unknown', host: '', bootId: '', pid: 0, nonce: '', ttlMs: 30_000, expiresAt: 0 }
}
