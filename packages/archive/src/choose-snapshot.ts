import { BerthError } from '@berth/core/error'
import { machineFacts } from './machine.ts'
import type { Manifest } from './manifest.ts'
import { findSnapshot } from './find-snapshot.ts'
import type { RestoreOptions } from './restore.ts'
import { type SnapshotReference, readSnapshot, readSnapshotList } from './snapshots.ts'
import { checkStoreFormat } from './store-files.ts'
import { pythonCure, snapshotMisfit } from './venv.ts'

export interface PassedOver {
  snapshot: string
  reason: string
}

export interface ChosenSnapshot {
  reference: SnapshotReference
  manifest: Manifest
  /** The history's newest, whether or not it was chosen. */
  latest: string | undefined
  passedOver: PassedOver[]
  siblings: string[]
}

// Each snapshot that doesn't fit costs a request; a history of nothing else is a mistake that one need not read to its end.
const MAX_TRIED = 20

/** The newest snapshot of the history that fits this machine, or the one that was asked for; `undefined` when the archive is empty. */
export async function chooseSnapshot(options: RestoreOptions): Promise<ChosenSnapshot | undefined> {
  const { store, name, signal, at } = options
  const [, list] = await Promise.all([
    checkStoreFormat(store, { signal }),
    readSnapshotList(store, name, { signal }),
  ])
  const latest = list.history[0]?.name
  const siblings = list.siblings
    .toSorted((a, b) => b.generation - a.generation)
    .map((sibling) => sibling.name)
  if (siblings.length > 0) announceSiblings(options, siblings)
  if (at !== undefined) {
    const reference = findSnapshot(list, at, { archive: name, store: store.url })
    return {
      reference,
      manifest: await readSnapshot(store, name, reference.name, { signal }),
      latest,
      passedOver: [],
      siblings,
    }
  }
  if (latest === undefined) return undefined
  return { ...(await newestFitting(options, list.history)), latest, siblings }
}

async function newestFitting(
  { store, name, signal, onNote }: RestoreOptions,
  history: readonly SnapshotReference[],
) {
  const machine = await machineFacts()
  const passedOver: PassedOver[] = []
  let newest: Manifest | undefined
  for (const reference of history.slice(0, MAX_TRIED)) {
    const manifest = await readSnapshot(store, name, reference.name, { signal })
    const reason = await snapshotMisfit(manifest.venvs, machine)
    if (reason === undefined) return { reference, manifest, passedOver }
    newest ??= manifest
    passedOver.push({ snapshot: reference.name, reason })
    onNote?.('warn', `passed over \`${name}\` ${reference.name}: ${reason}`)
  }
  throw new BerthError(
    'archive/no-fitting-snapshot',
    `could not restore \`${name}\`: none of its ${passedOver.length} newest snapshots fits this machine; the newest: ${passedOver[0]?.reason}`,
    {
      hint: `${pythonCure(newest?.venvs ?? [])}, or make the venv anew and save it; \`--at\` restores a snapshot as it is`,
    },
  )
}

// Each save of a pod that went its own way is one more of them.
const MAX_NAMED = 3

function announceSiblings({ name, onNote }: RestoreOptions, siblings: readonly string[]): void {
  const named = siblings.slice(0, MAX_NAMED).join(', ')
  const more = siblings.length - MAX_NAMED
  onNote?.(
    'warn',
    `\`${name}\` has snapshots beside its history that were not restored: ${named}${more > 0 ? ` and ${more} older ones` : ''}; \`berth archive restore --at\` takes one of them out`,
  )
}
