import { isBerthError } from '@berth/core/error'
import { parseSnapshotName } from '../format/format.ts'
import type { Manifest } from '../format/manifest.ts'
import { type StoredTree, type UnitState, readUnits } from './merge-state.ts'
import { type Unit, createUnits } from './merge-unit.ts'
import { followMoves } from './moved-content.ts'
import type { ArchiveOptions } from '../options.ts'
import { archiveArguments } from '../snapshots/command-text.ts'
import { type SnapshotList, type SnapshotReference, readSnapshot } from '../snapshots/snapshots.ts'
import { type TreePath, baseName } from '../format/tree.ts'

// Each costs the reading of two manifests while a boot is under way.
const TOLD_AT_MOST = 3
const READ_AT_MOST = 6
const NAMED_AT_MOST = 4
// Whoever has started pods for so long without it does not miss it. It stays, and `berth archive list` shows it.
const TOLD_FOR_MS = 30 * 24 * 60 * 60 * 1000

/**
 * Says of each snapshot beside the history what it holds that the restored tree does not: one line each, of the newest only. One that
 * the history has caught up with, as after a merge, is not worth a line, nor is one that is a month old. Never fails.
 */
export async function announceSiblings(
  options: ArchiveOptions,
  list: SnapshotList,
  restored: Manifest,
): Promise<void> {
  const note = options.onNote
  if (note === undefined) return
  const newest = [...list.siblings, ...findStray(list, restored)]
    .toSorted((a, b) => b.generation - a.generation || (a.name < b.name ? 1 : -1))
    .filter(({ name }) => !name.endsWith(restored.id))
  const known = new Set<string>()
  let told = 0
  let read = 0
  for (const reference of newest) {
    if (told === TOLD_AT_MOST || read++ === READ_AT_MOST) break
    const text = await describeSibling(options, list, { reference, restored, known })
    if (text === undefined) continue
    told++
    note('warn', text)
  }
  if (told > 0)
    note(
      'info',
      `when nothing of that is needed any more, \`berth archive prune ${archiveArguments(options)} --siblings 1d\` forgets what has lain beside the history for a day`,
    )
  const unread = newest.length - Math.min(read, READ_AT_MOST)
  if (told === TOLD_AT_MOST && unread > 0)
    note(
      'info',
      `\`${options.name}\` has ${unread} more beside its history: \`berth archive list\` shows them`,
    )
}

/** Without conditional writes, what has a place in the history by its name need not have gone into what followed. */
export function findStray({ history }: SnapshotList, restored: Manifest): SnapshotReference[] {
  const known = restored.ancestors
  if (known === undefined) return []
  return history.slice(0, known.length).filter(({ name }) => {
    const { suffix = '' } = parseSnapshotName(name) ?? {}
    return suffix !== '' && suffix !== restored.id && !known.includes(suffix)
  })
}

async function describeSibling(
  options: ArchiveOptions,
  list: SnapshotList,
  { reference, restored, known }: { reference: SnapshotReference } & Told,
): Promise<string | undefined> {
  const { store, name, signal } = options
  const read = (snapshot: string) => readSnapshot(store, name, snapshot, { signal })
  try {
    const sibling = await read(reference.name)
    if (Date.now() - Date.parse(sibling.created) > TOLD_FOR_MS) return undefined
    // What it was made from, as well as one can tell: what is only older in it is nobody's work.
    const newest = list.history.find(({ generation }) => generation < sibling.generation)
    const before = newest && (await read(newest.name).catch(() => undefined))
    const trees = [sibling, before ?? sibling] as const
    const [own, origin] = await followMoves(store, { trees, to: restored }, { signal })
    const old = before && origin
    const differences = findDifferences({ archive: name, own, now: restored, old, known })
    if (differences.length === 0) return undefined
    const pod = sibling.pod === '' ? '' : ` of pod \`${sibling.pod}\``
    const date = `${sibling.created.slice(0, 16).replace('T', ' ')} UTC`
    return `\`${name}\` has a snapshot${pod} of ${date} beside its history, which was not restored: it holds ${listed(differences)}; \`berth archive restore DIRECTORY ${archiveArguments(options)} --at ${reference.name}\` takes it out`
  } catch (error) {
    if (!isBerthError(error) || !error.code.startsWith('archive/')) return undefined
    return `\`${name}\` has a snapshot beside its history that can’t be read: ${error.message}`
  }
}

function listed(differences: readonly string[]): string {
  const named = differences.slice(0, NAMED_AT_MOST).join(', ')
  const more = differences.length - NAMED_AT_MOST
  return more > 0 ? `${named} and ${more} more` : named
}

interface Told {
  restored: Manifest
  /** What another has that was told of before. */
  known: Set<string>
}

interface Compared extends Pick<Told, 'known'> {
  archive: string
  /** The sibling's. */
  own: StoredTree
  /** What was restored. */
  now: StoredTree
  /** What the sibling was made from. */
  old: StoredTree | undefined
}

/** What a sibling has added or changed, and the restored tree has not, in words; the weightiest first. */
function findDifferences({ archive, known, ...trees }: Compared): string[] {
  const present = [trees.own, trees.now, ...(trees.old === undefined ? [] : [trees.old])]
  const unitOf = createUnits(
    present.map(({ tree }) => tree),
    archive,
  )
  const [own, now, old] = [trees.own, trees.now, trees.old].map((each) =>
    each === undefined ? new Map<TreePath, UnitState>() : readUnits(each, unitOf),
  ) as [Units, Units, Units]
  const isDirectory = new Set(trees.own.tree.directories.map(({ path }) => path))
  const found = [...own.values()].filter(
    ({ unit, content }) =>
      !known.has(unit.path + content) &&
      content !== now.get(unit.path)?.content &&
      content !== old.get(unit.path)?.content &&
      // A directory tells nothing that is not in it.
      !(unit.kind === 'path' && isDirectory.has(unit.path)),
  )
  for (const { unit, content } of found) known.add(unit.path + content)
  return found
    .toSorted((a, b) => WEIGHT[a.unit.kind] - WEIGHT[b.unit.kind])
    .map(({ unit, paths }) => describeUnit(unit, paths, now.get(unit.path)?.paths ?? []))
}

type Units = Map<TreePath, UnitState>

const WEIGHT: Record<Unit['kind'], number> = { environment: 0, node: 1, git: 2, path: 3 }

function describeUnit(
  { kind, path }: Unit,
  paths: readonly TreePath[],
  others: readonly TreePath[],
): string {
  const name = path === '' ? 'a tree' : `\`${path}\``
  if (kind !== 'environment') return name
  const known = new Set(others)
  const packages = paths.flatMap((each) =>
    each.endsWith('.dist-info') && !known.has(each) ? [baseName(each).slice(0, -10)] : [],
  )
  const more = packages.length - NAMED_AT_MOST
  const named = packages.slice(0, NAMED_AT_MOST).join(', ')
  if (packages.length === 0) return `${name} with other packages`
  return `${name} with ${named}${more > 0 ? ` and ${more} more packages` : ''}`
}
