import { createHash, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import type { ObjectStore } from '@berth/object-store'
import { stateOf } from './registry.ts'

/** At the mount's prefix, made by the first link and never changed: another bucket has another, or none. */
const markName = '.berth-link.json'

/** Which bucket it is. */
export interface Identity {
  id: string
  /** There was no mark before: a new bucket, or one that was emptied. */
  isNew: boolean
}

/** Reads which bucket it is, and marks one that has no mark yet. Of two at once one makes the mark, and both read it. */
export async function ensureIdentity(store: ObjectStore, signal: AbortSignal): Promise<Identity> {
  const found = await readIdentity(store, signal)
  if (found !== undefined) return { id: found, isNew: false }
  const mark = Buffer.from(`${JSON.stringify({ version: 1, id: randomUUID() })}\n`)
  await store.put(markName, mark, { ifAbsent: true, signal })
  return { id: (await readIdentity(store, signal)) ?? idOf(mark), isNew: true }
}

/** Undefined for a bucket without a mark. */
export async function readIdentity(
  store: ObjectStore,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const mark = await store.get(markName, { signal })
  return mark === undefined ? undefined : idOf(mark)
}

/**
 * Throws `s3-link/identity-mismatch` when a folder was linked to another bucket before that had the same name; notes which it is otherwise. One
 * that has just got its mark is taken: it is new, or was emptied.
 */
export async function requireSameBucket(
  path: string,
  store: string,
  identity: Identity | undefined,
): Promise<void> {
  if (identity === undefined) return
  const note = join(stateOf(path), 'identity.json')
  const known = await readNote(note)
  if (known?.store === store && known.id !== identity.id && !identity.isNew) {
    throw new BerthError(
      's3-link/identity-mismatch',
      `could not link \`${path}\`: ${store} is not the bucket that it was linked to before`,
      {
        hint: `compare the bucket and the endpoint; to go on with this one, remove \`${note}\``,
      },
    )
  }
  await writeFileAtomic(note, `${JSON.stringify({ version: 1, store, id: identity.id })}\n`)
}

async function readNote(note: string): Promise<{ store: string; id: string } | undefined> {
  const data = await readFileIfPresent(note)
  return data === undefined
    ? undefined
    : (JSON.parse(data.toString()) as { store: string; id: string })
}

function idOf(mark: Uint8Array): string {
  return createHash('sha256').update(mark).digest('hex').slice(0, 16)
}
