import { lstat, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { compactionFacts, latestGeneration, readRecord, saveTree } from '@berth/archive'
import { BerthError, type StepContext } from '@berth/core'
import { acquireLease } from '@berth/filesystem'
import type { ObjectStore } from '@berth/object-store'

export interface SaveJob {
  directory: string
  /** Where the app finds the directory. */
  at: string
  archive: string
  store: ObjectStore
  exclude: string[]
  /** In a round while main runs. */
  compact: boolean
  /** Names this machine in the snapshot. */
  pod: string
}

/** What became of one directory. */
export interface Saved {
  directory: string
  outcome: 'saved' | 'unchanged' | 'skipped'
  reason: string
  /** Sent to the store. */
  bytes: number
  /** New or changed ones. */
  files: number
  /** What became of chunks that were half empty; absent when nothing did. */
  compacted?: Record<string, number>
}

type SaveContext = Pick<StepContext, 'signal' | 'deadline' | 'log' | 'progress' | 'wasUsed'>

// Without an index every file is read, and tens of thousands of small files on a network volume take minutes.
const SHORT_DEADLINE_MS = 60_000
const LEASE_MS = 30_000

/**
 * Saves a directory from where it really is: the volume when it is a link to it. One pod at a time saves what pods share, because
 * two at once would only race for the same generation.
 */
export async function saveDirectory(job: SaveJob, context: SaveContext): Promise<Saved> {
  const source = await findSource(job)
  if (source === undefined) return skippedSave(job, 'it is not there')
  if (!context.wasUsed && (await isUnseen(job, source.path, context.signal))) {
    const reason = `the boot ended before it was put in place, and ${job.archive} may hold newer files`
    return skippedSave(job, reason)
  }
  if (!source.linked) return save(job, source.path, context)
  const { deadline } = context
  const isShort = deadline !== undefined && deadline - Date.now() < SHORT_DEADLINE_MS
  if (isShort && (await readRecord(source.path)) === undefined) {
    const reason = `it lies on the volume without an index, and there is no time to read all of ${source.path}`
    return skippedSave(job, reason)
  }
  const lease = await acquireLease({
    path: join(dirname(source.path), '.berth', `save-${basename(source.path)}.lease`),
    owner: job.pod,
    ttlMs: LEASE_MS,
  })
  if (lease.state === 'busy') return skippedSave(job, `${lease.owner} is saving it`)
  try {
    const signal = AbortSignal.any([context.signal, lease.signal])
    return await save(job, source.path, { ...context, signal })
  } finally {
    await lease.release()
  }
}

/** What a boot that was cut has not reached is what the image brings: as a new generation it would replace what users have changed. */
async function isUnseen(
  { archive, store }: SaveJob,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  const record = await readRecord(path)
  if (record?.archive === archive) return false
  return (await latestGeneration(store, archive, { signal })) !== undefined
}

interface Source {
  path: string
  /** The directory itself is a link. */
  linked: boolean
}

async function findSource({ directory, at }: SaveJob): Promise<Source | undefined> {
  const found = await lstat(at).catch(absent)
  if (found === undefined) return undefined
  const path = await realpath(at).catch((error: NodeJS.ErrnoException) => {
    throw new BerthError(
      'shared-data/broken-link',
      `could not save \`${directory}\`: ${at} is a link that leads nowhere: ${error.message}`,
      {
        hint: 'see whether the volume is still mounted; what it held is not lost by this',
        cause: error,
      },
    )
  })
  return { path, linked: found.isSymbolicLink() }
}

async function save(job: SaveJob, path: string, context: SaveContext): Promise<Saved> {
  const { directory, archive, store, exclude } = job
  const { signal, deadline, log, progress } = context
  const result = await saveTree({
    store,
    name: archive,
    directory: path,
    exclude,
    signal,
    pod: job.pod,
    level: deadline === undefined ? 'normal' : 'fast',
    deadline,
    compact: job.compact,
    onProgress: ({ done, total }) => progress({ done, total, unit: 'bytes', label: directory }),
    onNote: (level, text) => log[level](`${directory}: ${text}`),
  })
  if (result.result === 'skipped') return skippedSave(job, result.reason)
  const extra = compactionFacts(result.compacted)
  const rewritten = result.compacted?.rewrittenBytes ?? 0
  if (result.result === 'unchanged') {
    const reason = `generation ${result.generation} of ${archive} holds it`
    return { directory, outcome: 'unchanged', reason, bytes: rewritten, files: 0, ...extra }
  }
  const place = result.sibling
    ? `${result.snapshot} beside the history`
    : `generation ${result.generation}`
  if (result.late.length > 0) {
    throw new BerthError(
      'shared-data/late',
      `could not save all of \`${directory}\` in time: ${place} of ${archive} is without ${result.late.length === 1 ? 'a part' : `${result.late.length} parts`} of it`,
      {
        hint: 'give the stop more time with `--grace`, or save with `every:` while main runs; the next save takes them up',
      },
    )
  }
  return {
    directory,
    outcome: 'saved',
    reason: `${place} of ${archive}`,
    bytes: result.uploadedBytes + rewritten,
    files: result.changed,
    ...extra,
  }
}

function skippedSave({ directory }: SaveJob, reason: string): Saved {
  return { directory, outcome: 'skipped', reason, bytes: 0, files: 0 }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
  throw error
}
