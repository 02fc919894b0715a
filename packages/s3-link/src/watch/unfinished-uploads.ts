import type { FileStore } from '@berth/object-store'
import type { Journal } from './journal.ts'

// Long enough for any upload that someone else has under way.
const ABANDONED_MS = 24 * 60 * 60 * 1000

/**
 * Ends uploads in parts that nobody will go on with, for their parts are kept, and paid for: those on record whose file is gone or was sent
 * otherwise, and those below the prefix that a process was killed over before it had put them on record.
 */
export async function dropUnfinishedUploads({
  store,
  prefix,
  journal,
  isWaiting,
}: {
  store: FileStore
  prefix: string
  journal: Journal
  isWaiting: (name: string) => boolean
}): Promise<void> {
  for (const [name, { key, uploadId }] of journal.uploads) {
    if (isWaiting(name)) continue
    await store.abortUpload(key, uploadId)
    await journal.setUpload(name, undefined)
  }
  const ours = new Set([...journal.uploads.values()].map(({ uploadId }) => uploadId))
  const before = Date.now() - ABANDONED_MS
  for (const { key, uploadId, startedAt } of await store.listUploads(place(prefix))) {
    if (ours.has(uploadId) || startedAt === 0 || startedAt > before) continue
    await store.abortUpload(key, uploadId)
  }
}

function place(prefix: string): string {
  return prefix === '' ? '' : `${prefix}/`
}
