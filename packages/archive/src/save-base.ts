import { BerthError } from '@berth/core/error'
import type { Manifest } from './manifest.ts'
import { type TreeRecord, readIndex, readRecordIn } from './record.ts'
import type { SaveOptions } from './save.ts'
import { findLatest, readSnapshot } from './snapshots.ts'
import { checkStoreFormat } from './store-files.ts'

/** What a save starts from. */
export interface Base {
  record: TreeRecord | undefined
  /** The history's newest snapshot at the start. */
  latest: string | undefined
  /** The state that the tree is compared with. */
  manifest: Manifest | undefined
  /** Whether the manifest is the index, so that times vouch for contents. */
  indexed: boolean
  additive: boolean
}

/** Reads the record, the index and the history's newest snapshot; refuses a restore that never finished. */
export async function openBase(options: SaveOptions, state: string): Promise<Base> {
  const { store, signal, name } = options
  const record = await readRecordIn(state)
  if (record !== undefined && !record.complete && record.archive === name)
    throw incompleteRestore(options)
  const [, latest] = await Promise.all([
    checkStoreFormat(store, { signal }),
    findLatest(store, name, { signal }),
  ])
  const own =
    record?.archive === name && record.store === store.url && latest !== undefined
      ? record
      : undefined
  if (own === undefined) {
    const manifest =
      latest === undefined ? undefined : await readSnapshot(store, name, latest.name, { signal })
    return {
      record: undefined,
      latest: latest?.name,
      manifest,
      indexed: false,
      additive: manifest !== undefined,
    }
  }
  const index = await readIndex(state, own)
  const manifest =
    index ??
    (await readSnapshot(store, name, own.sibling === '' ? own.snapshot : own.sibling, { signal }))
  return {
    record: own,
    latest: latest?.name,
    manifest,
    indexed: index !== undefined,
    additive: own.additive,
  }
}

function incompleteRestore({ directory, name }: SaveOptions): BerthError {
  return new BerthError(
    'archive/incomplete-restore',
    `could not save \`${directory}\`: its restore from \`${name}\` began and did not finish`,
    {
      hint: 'boot again to finish the restore. Nothing was saved, so the archive keeps what this directory lacks',
    },
  )
}
