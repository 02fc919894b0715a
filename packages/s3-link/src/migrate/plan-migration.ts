import type { FileStore } from '@berth/object-store'
import { resolveReal } from '@berth/filesystem'
import { shownName } from '../upload/key.ts'
import { readWriters } from '../watch/writers.ts'
import { findOriginals, lookAt } from './cut-over.ts'
import { Journal } from '../watch/journal.ts'
import { emptyPass, findFiles, keyFor, type Pass, recordName } from './move-files.ts'

export interface PlanQuestion {
  folder: string
  /** In the store; without slashes at its ends. */
  prefix: string
  /** Where what is known of the files is kept. */
  state: string
  /** Asked what is under each file's name already; without it only the disk is looked at. */
  store?: FileStore | undefined
  signal?: AbortSignal | undefined
}

/** What a migration would do, as things are now. */
export interface MigrationPlan {
  files: number
  bytes: number
  /** Of those, what is not known to be in S3: at most so much would be sent. */
  news: number
  newBytes: number
  /** Under whose names the bucket has something already; what is the same would not be sent, and the rest would get another name. */
  taken: { path: string; size: number; sizeInBucket: number }[]
  leftOut: Pass['leftOut']
  /** With one of these the migration would end before it changes anything. */
  refused: Pass['refused']
  emptyFolders: string[]
  /** What a program has open for writing. */
  openFiles: string[]
  /** Folders that were moved aside before; what is in them counts as well. */
  originals: string[]
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
    const look = async (): Promise<void> => {
      for (let file = news.pop(); file !== undefined; file = news.pop()) {
        const { name, size } = file
        const there = await store.head(keyFor(name, prefix), { signal })
        if (there !== undefined)
          plan.taken.push({ path: shownName(name), size, sizeInBucket: there.size })
      }
    }
    await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, look))
  }
  return plan
}

function sum(files: readonly { size: number }[]): number {
  return files.reduce((total, { size }) => total + size, 0)
}
