import type { FileStore } from '@berth/object-store'
import { resolveReal } from '@berth/filesystem'
import { shownName } from '../upload/key.ts'
import { readWriters } from '../watch/writers.ts'
import { findOriginals, lookAt } from './cut-over.ts'
import { Journal } from '../watch/journal.ts'
import { emptyPass, findFiles, keyFor, type Pass, recordName } from './move-files.ts'
import { planRemoval, type RemovalPlan } from './plan-removal.ts'

export interface PlanQuestion {
  folder: string
  /** In the store; without slashes at its ends. */
  prefix: string
  /** Where what is known of the files is kept. */
  state: string
  /** Asked what is under each file's name already; without it only the disk is looked at. */
  store?: FileStore | undefined
  /** Whether what would be removed of the originals is wanted as well; takes a store. */
  removeOriginals?: boolean
  signal?: AbortSignal | undefined
}

/** What a migration would do, as things are now. */
export interface MigrationPlan {
  files: number
  bytes: number
  /** Of those, what is not known to be in S3: at most so much would be sent. */
  news: number
  newBytes: number
  /** Under whose names the bucket has something already; what is the same would not be sent, and the rest would get another name, but for what is `isOwn`: the file that was sent before has changed, and replaces it. */
  taken: { path: string; size: number; sizeInBucket: number; isOwn: boolean }[]
  leftOut: Pass['leftOut']
  /** With one of these the migration would end before it changes anything. */
  refused: Pass['refused']
  emptyFolders: string[]
  /** What a program has open for writing. */
  openFiles: string[]
  /** Folders that were moved aside before; what is in them counts as well. */
  originals: string[]
  /** Undefined unless that was asked for. */
  removal?: RemovalPlan
}

const LOOKS_AT_ONCE = 8

/** Looks what a migration of the folder would do. Changes nothing, writes nothing, and takes no lock. */
export async function planMigration(question: PlanQuestion): Promise<MigrationPlan> {
  const { folder, prefix, state, store, signal } = question
  const journal = await Journal.read(state)
  const originals = await findOriginals(folder)
  const isFolder = (await lookAt(folder, [])) === 'folder'
  const pass = emptyPass()
  const { leftOut, refused, emptyFolders } = pass
  const plan: MigrationPlan = {
    files: 0,
    bytes: 0,
    news: 0,
    newBytes: 0,
    taken: [],
    leftOut,
    refused,
    emptyFolders,
    openFiles: [],
    originals,
  }
  for (const place of [...originals, ...(isFolder ? [folder] : [])]) {
    const root = await resolveReal(place)
    const found = await findFiles(root, await recordName(root), { journal, pass })
    const news = found.filter(({ isProven }) => !isProven)
    plan.files += found.length
    plan.bytes += sum(found)
    plan.news += news.length
    plan.newBytes += sum(news)
    plan.openFiles.push(...[...readWriters(root).names].map(shownName))
    if (store === undefined) continue
    const record = await recordName(root)
    const look = async (): Promise<void> => {
      for (let file = news.pop(); file !== undefined; file = news.pop()) {
        const { name, size } = file
        const key = keyFor(name, prefix)
        const there = await store.head(key, { signal })
        if (there === undefined) continue
        const proven = journal.proven.get(record(name))
        const isOwn = proven?.key === key && proven.etag === there.etag
        plan.taken.push({ path: shownName(name), size, sizeInBucket: there.size, isOwn })
      }
    }
    await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, look))
    if (!question.removeOriginals) continue
    const { taken } = plan
    plan.removal = mergeRemovals(
      plan.removal,
      await planRemoval(root, { found, journal, taken, store, signal }),
    )
  }
  if (plan.removal !== undefined) plan.removal.kept.push(...leftOut)
  return plan
}

function mergeRemovals(one: RemovalPlan | undefined, other: RemovalPlan): RemovalPlan {
  if (one === undefined) return other
  return {
    files: one.files + other.files,
    bytes: one.bytes + other.bytes,
    kept: [...one.kept, ...other.kept],
  }
}

function sum(files: readonly { size: number }[]): number {
  return files.reduce((total, { size }) => total + size, 0)
}
