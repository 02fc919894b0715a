import type { FileStore } from '@berth/object-store'
import { shownName } from '../upload/key.ts'
import type { Journal, ProvenFile } from '../watch/journal.ts'
import { readWriters } from '../watch/writers.ts'
import type { MigrationPlan } from './plan-migration.ts'
import { type FoundFile, recordName } from './move-files.ts'

/** What would be removed of the originals, as things are now. */
export interface RemovalPlan {
  files: number
  bytes: number
  /** What would stay, and why. */
  kept: { path: string; why: string }[]
}

interface RemovalQuestion {
  found: readonly FoundFile[]
  journal: Pick<Journal, 'proven'>
  /** Of the files that would be sent first. */
  taken: MigrationPlan['taken']
  store: FileStore
  signal: AbortSignal | undefined
}

const LOOKS_AT_ONCE = 8

/** Looks which files of one folder would be removed once all of it is sent. Changes nothing. */
export async function planRemoval(root: string, question: RemovalQuestion): Promise<RemovalPlan> {
  const { found, journal, taken, store, signal } = question
  const record = await recordName(root)
  const writers = readWriters(root, true)
  const plan: RemovalPlan = { files: 0, bytes: 0, kept: [] }
  const names = new Map(taken.map((one) => [one.path, one]))
  const left = [...found]
  const judge = async ({ name, isProven }: FoundFile): Promise<string | undefined> => {
    if (writers.names.has(name)) return 'a program has it open'
    const proven = journal.proven.get(record(name))
    if (isProven && proven !== undefined) return judgeProven(proven, { store, signal })
    return judgeNew(names.get(shownName(name)))
  }
  const look = async (): Promise<void> => {
    for (let file = left.pop(); file !== undefined; file = left.pop()) {
      const why = await judge(file)
      if (why === undefined) {
        plan.files += 1
        plan.bytes += file.size
      } else plan.kept.push({ path: shownName(file.name), why })
    }
  }
  await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, look))
  return plan
}

async function judgeProven(
  { key, etag, facts, isConflict }: ProvenFile,
  { store, signal }: Pick<RemovalQuestion, 'store' | 'signal'>,
): Promise<string | undefined> {
  if (isConflict) return 'it is in the bucket under another name'
  const there = await store.head(key, { signal })
  const isThere = there !== undefined && there.etag === etag && there.size === facts.size
  return isThere ? undefined : 'the bucket does not have it as it was sent'
}

function judgeNew(taken: MigrationPlan['taken'][number] | undefined): string | undefined {
  if (taken === undefined || taken.isOwn) return undefined
  return taken.size === taken.sizeInBucket
    ? 'unless what the bucket has under its name is the same'
    : 'it would be in the bucket under another name'
}
