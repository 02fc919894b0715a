import { BerthError } from '@berth/core/error'
import { machineFacts } from '../venv/machine.ts'
import type { Manifest } from '../format/manifest.ts'
import { findSnapshot } from '../snapshots/find-snapshot.ts'
import type { RestoreOptions } from './restore.ts'
import { announceLosses } from '../snapshots/announce-losses.ts'
import { announceSiblings, findStray } from '../merge/siblings.ts'
import { type SnapshotReference, readSnapshot, readSnapshotList } from '../snapshots/snapshots.ts'
import { checkStoreFormat } from '../snapshots/store-files.ts'
import type { MachineFacts } from '../venv/venv-fingerprint.ts'
import { pythonCure, snapshotMisfit } from '../venv/venv.ts'

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
  /** Says what those hold. */
  announce: () => Promise<void>
}

// Each snapshot that doesn't fit costs a request; a history of nothing else is a mistake that one need not read to its end.
const MAX_TRIED = 20

/**
 * The newest snapshot of the history that fits this machine, or the one that was asked for; `undefined` when the archive is empty.
 * Each that must be checked is told of when its check begins, newest first.
 */
export async function chooseSnapshot(
  options: RestoreOptions,
  onCandidate: (manifest: Manifest) => void,
): Promise<ChosenSnapshot | undefined> {
  const { store, name, signal, at } = options
  const [, list, machine] = await Promise.all([
    checkStoreFormat(store, { signal }),
    readSnapshotList(store, name, { signal }),
    machineFacts(),
  ])
  const latest = list.history[0]?.name
  const siblings = list.siblings
    .toSorted((a, b) => b.generation - a.generation)
    .map((sibling) => sibling.name)
  if (at !== undefined) {
    const reference = findSnapshot(list, at, { archive: name, store: store.url })
    const manifest = await readSnapshot(store, name, reference.name, { signal })
    announceLosses(options, reference.name, manifest)
    // Whoever asks for one knows of them.
    const others = siblings.filter((sibling) => sibling !== reference.name)
    return {
      reference,
      manifest,
      latest,
      passedOver: [],
      siblings: others,
      announce: async () => {},
    }
  }
  if (latest === undefined) return undefined
  const chosen = await newestFitting(options, { history: list.history, machine }, onCandidate)
  announceLosses(options, chosen.reference.name, chosen.manifest)
  const announce = () => announceSiblings(options, list, chosen.manifest)
  const stray = findStray(list, chosen.manifest).map((reference) => reference.name)
  return { ...chosen, latest, siblings: [...siblings, ...stray], announce }
}

async function newestFitting(
  { store, name, signal, onNote }: RestoreOptions,
  { history, machine }: { history: readonly SnapshotReference[]; machine: MachineFacts },
  onCandidate: (manifest: Manifest) => void,
) {
  const passedOver: PassedOver[] = []
  let newest: Manifest | undefined
  for (const reference of history.slice(0, MAX_TRIED)) {
    const manifest = await readSnapshot(store, name, reference.name, { signal })
    const check = snapshotMisfit(manifest.venvs, machine)
    onCandidate(manifest)
    const reason = await check
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
