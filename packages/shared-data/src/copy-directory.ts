import { mkdir, readdir, realpath, rename, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { copyRecord, forgetRecord, readRecord, type TreeRecord } from '@berth/archive'
import { BerthError, type StepContext } from '@berth/core'
import {
  acquireLease,
  copyTree,
  isTemporaryName,
  recoverSwap,
  relateDirectories,
  removeTree,
  requireRoom,
  swapDirectory,
  temporaryName,
} from '@berth/filesystem'
import { chooseCopy, type CopyChoice } from './choose-copy.ts'
import { isSameTree, measureTree } from './trees.ts'

export interface CopyJob {
  directory: string
  /** On the pod. */
  from: string
  /** On the volume. */
  to: string
  update: boolean
  /** False after a boot that was cut. */
  wasUsed: boolean
}

/** What became of one directory. */
export interface Copied {
  directory: string
  outcome: 'copied' | 'unchanged' | 'skipped'
  reason: string
  /** A user should read the reason. */
  warns: boolean
  bytes: number
  files: number
}

type CopyContext = Pick<StepContext, 'signal' | 'log' | 'progress'>

const LEASE_MS = 60_000

/** Finds out what a copy would do; writes nothing. */
export async function inspectCopy(job: CopyJob): Promise<CopyChoice> {
  const source = await realpath(job.from).catch(absent)
  if (source === undefined)
    return chooseCopy({ source: 'absent', target: 'absent', update: job.update })
  if (!(await stat(source)).isDirectory()) {
    throw new BerthError(
      'shared-data/not-a-directory',
      `could not copy \`${job.from}\`: it is not a directory`,
      {
        hint: `take \`${job.directory}\` out of \`directories\``,
      },
    )
  }
  const relation = await relateDirectories(source, job.to)
  if (relation !== 'apart') {
    const isLink = relation === 'same' && source !== job.from
    return chooseCopy({
      source: isLink ? 'linked' : 'entangled',
      target: 'held',
      update: job.update,
    })
  }
  const [ours, theirs] = [await readRecord(source), await readRecord(job.to)]
  return chooseCopy({
    source: (await isEmpty(source)) ? 'empty' : stateOfSource(ours, job),
    target: await stateOfTarget({ source, to: job.to, update: job.update }, ours, theirs),
    update: job.update,
  })
}

function stateOfSource(
  record: TreeRecord | undefined,
  { wasUsed }: CopyJob,
): 'incomplete' | 'unseen' | 'held' {
  if (record === undefined) return wasUsed ? 'held' : 'unseen'
  return record.complete ? 'held' : 'incomplete'
}

async function stateOfTarget(
  { source, to, update }: { source: string; to: string; update: boolean },
  ours: TreeRecord | undefined,
  theirs: TreeRecord | undefined,
) {
  if (await isEmpty(to)) return 'absent'
  if (!update) return 'held'
  const areOfOneHistory =
    ours !== undefined &&
    theirs !== undefined &&
    ours.archive === theirs.archive &&
    ours.store === theirs.store
  if (areOfOneHistory && theirs.generation > ours.generation) return 'ahead'
  // Equal records tell nothing of what was changed since: a save may have failed.
  return (await isSameTree(source, to)) ? 'same' : 'held'
}

/** Copies a directory to the volume under a lease, so that pods which come at the same time don't copy the same twice. */
export async function copyDirectory(job: CopyJob, context: CopyContext): Promise<Copied> {
  const first = await inspectCopy(job)
  if (first.choice !== 'copy') return settled(job, first)
  await mkdir(dirname(job.to), { recursive: true })
  const lease = await acquireLease({
    path: join(dirname(job.to), '.berth', `copy-${basename(job.to)}.lease`),
    owner: hostname(),
    ttlMs: LEASE_MS,
  })
  if (lease.state === 'busy') {
    return settled(job, { choice: 'skip', reason: `${lease.owner} is copying it`, warns: false })
  }
  try {
    await recoverSwap(job.to)
    const again = await inspectCopy(job)
    if (again.choice !== 'copy') return settled(job, again)
    const signal = AbortSignal.any([context.signal, lease.signal])
    return await copyUnderLease(job, { ...context, signal })
  } finally {
    await lease.release()
  }
}

async function copyUnderLease(job: CopyJob, context: CopyContext): Promise<Copied> {
  const { directory, to } = job
  const { signal, log, progress } = context
  await removeStaged(to)
  const from = await realpath(job.from)
  const size = await measureTree(from, signal)
  await requireRoom(to, size, `copy \`${directory}\` to the volume`)
  const staged = temporaryName(to, 'staging')
  try {
    const copied = await copyTree({
      from,
      to: staged,
      signal,
      onProgress: ({ bytes }) =>
        progress({
          done: bytes,
          total: Math.max(size.bytes, bytes),
          unit: 'bytes',
          label: directory,
        }),
    })
    refuseTorn(job, copied.changing)
    signal.throwIfAborted()
    const { isPlaced, aside } = await place(staged, job)
    if (!isPlaced) {
      const reason = 'another pod has copied it meanwhile'
      return settled(job, { choice: 'unchanged', reason, warns: false })
    }
    await copyRecord(from, to)
    if (aside !== undefined)
      log.info(`${directory}: what the volume held before is now at ${aside}`)
    for (const path of copied.leftOut)
      log.warn(`${directory}: ${path} is no file that can be copied`)
    const { bytes, files } = copied
    return { directory, outcome: 'copied', reason: `to ${to}`, warns: false, bytes, files }
  } finally {
    await removeTree(staged)
  }
}

async function place(
  staged: string,
  { to, update }: CopyJob,
): Promise<{ isPlaced: boolean; aside?: string | undefined }> {
  // Should the pod die before the copy has its own record, that of the old one must not speak for it.
  await forgetRecord(to)
  if (update) return { isPlaced: true, aside: (await swapDirectory({ staged, at: to })).aside }
  try {
    // rename(2) puts a directory only where nothing or an empty directory is.
    await rename(staged, to)
    return { isPlaced: true }
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return { isPlaced: false }
    }
    throw error
  }
}

/** Whoever has the lease owns every staged copy of this directory: a killed pod left them. */
async function removeStaged(to: string): Promise<void> {
  const mark = `.${basename(to)}.berth-staging-`
  for (const name of await readdir(dirname(to))) {
    if (isTemporaryName(name) && name.replace(/^\.\./, '.').startsWith(mark)) {
      await removeTree(join(dirname(to), name))
    }
  }
}

function refuseTorn({ directory }: CopyJob, changing: readonly string[]): void {
  if (changing.length === 0) return
  throw new BerthError(
    'shared-data/changing',
    `could not copy \`${directory}\`: ${changing.length} of its files were written meanwhile, such as \`${changing[0]}\``,
    { hint: 'copy when the app has ended, as a step of `shutdown` does' },
  )
}

async function isEmpty(path: string): Promise<boolean> {
  const names = await readdir(path).catch(absent)
  return names === undefined || names.every((name) => name === '.berth')
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}

function settled({ directory }: CopyJob, { choice, reason, warns }: CopyChoice): Copied {
  const outcome = choice === 'skip' ? 'skipped' : 'unchanged'
  return { directory, outcome, reason, warns, bytes: 0, files: 0 }
}
