import { nameLate } from '../format/late.ts'
import type { Manifest, StoredFile } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { isSameTree } from './same-tree.ts'
import type { Base } from './save-base.ts'
import type { WrittenContent } from './chunk-writer.ts'
import type { NewContent, SavePlan } from './save-plan.ts'
import { createSaveUnits } from './save-unit.ts'
import type { Save } from './save.ts'
import type { ScannedFile } from '../scan/scan.ts'
import { sizeText } from '../format/size-text.ts'
import { type Tree, type TreePath, parentPath } from '../format/tree.ts'

/** What was not saved because the time was over: it stays in the archive as it was. */
export interface LateUnit {
  path: TreePath
  /** Files with new content, and their bytes. */
  files: number
  bytes: number
}

export interface InTime {
  /** Without the units that are late. */
  scan: Tree<ScannedFile>
  files: StoredFile[]
  late: LateUnit[]
  /** Absent when nothing is. */
  isLate: ((path: TreePath) => boolean) | undefined
}

/** Takes out each unit of which something has not been stored. */
export function settleLate(
  save: Save,
  files: readonly StoredFile[],
  missing: readonly ScannedFile[],
): InTime {
  const { scan } = save
  if (missing.length === 0) return { scan, files: [...files], late: [], isLate: undefined }
  const unitOf = unitsOf(save)
  const late = new Map<TreePath, LateUnit>()
  for (const { path, size } of missing) {
    const unit = unitOf(path)
    const before = late.get(unit) ?? { path: unit, files: 0, bytes: 0 }
    late.set(unit, { path: unit, files: before.files + 1, bytes: before.bytes + size })
  }
  // The directory that a unit lies in is its own, though it bears the name of what is above.
  const isOfLate = (path: TreePath): boolean => late.has(path) || late.has(unitOf(path))
  const inTime = ({ path }: { path: TreePath }): boolean => !isOfLate(path)
  const rest = {
    ...scan,
    files: scan.files.filter(inTime),
    links: scan.links.filter(inTime),
    hardLinks: scan.hardLinks.filter(inTime),
  }
  const directories = keepDirectories(scan, rest, isOfLate)
  const kept = new Set(directories.map(({ path }) => path))
  const dropped = new Set(scan.directories.flatMap(({ path }) => (kept.has(path) ? [] : [path])))
  return {
    scan: { ...rest, directories },
    files: files.filter(inTime),
    late: [...late.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    isLate: (path) => dropped.has(path) || isOfLate(path),
  }
}

function unitsOf({ options, base, scan }: Save): (path: TreePath) => TreePath {
  const trees = base.manifest === undefined ? [scan] : [scan, base.manifest.tree]
  return createSaveUnits(trees, options.name)
}

/** Those of a late unit, or above one, only where something that is in time lies below. */
function keepDirectories(
  whole: Tree,
  { files, links, hardLinks }: Tree,
  isLate: (path: TreePath) => boolean,
): Tree['directories'] {
  const [needed, emptied] = [new Set<TreePath>(['']), new Set<TreePath>([''])]
  const addAbove = (paths: Set<TreePath>, path: TreePath): void => {
    for (let at = path; !paths.has(at); at = parentPath(at)) paths.add(at)
  }
  for (const { path } of [...files, ...links, ...hardLinks]) addAbove(needed, parentPath(path))
  for (const { path } of [...whole.directories, ...whole.files, ...whole.links, ...whole.hardLinks])
    if (path !== '' && isLate(path)) addAbove(emptied, parentPath(path))
  for (const { path } of whole.directories)
    if (!isLate(path) && !emptied.has(path)) addAbove(needed, path)
  return whole.directories.filter(({ path }) => needed.has(path))
}

// Smaller units go together.
const OWN_LANE_BYTES = 4 * 1024 * 1024
/** The first to be sent are soon there, and tell how fast the link is. */
export const FIRST_LANE_BYTES = 256 * 1024

/**
 * New content in the order in which it is best sent when the time is short: small units first, so that many are whole. Each list is
 * cut into groups by itself, so that a large unit's groups are the same in the next save.
 */
export function orderUnits(save: Save, fresh: readonly NewContent[]): NewContent[][] {
  const unitOf = unitsOf(save)
  const units = new Map<TreePath, { bytes: number; content: NewContent[] }>()
  for (const content of fresh) {
    const path = unitOf(content.file.path)
    const unit = units.get(path) ?? { bytes: 0, content: [] }
    unit.bytes += content.file.size
    unit.content.push(content)
    units.set(path, unit)
  }
  const lanes: NewContent[][] = []
  let shared: NewContent[] = []
  let sharedBytes = 0
  let laneBytes = FIRST_LANE_BYTES
  const closeShared = (): void => {
    if (shared.length > 0) lanes.push(shared)
    shared = []
    sharedBytes = 0
    laneBytes = Math.min(OWN_LANE_BYTES, 2 * laneBytes)
  }
  for (const { bytes, content } of [...units.values()].toSorted((a, b) => a.bytes - b.bytes)) {
    if (bytes >= OWN_LANE_BYTES) {
      closeShared()
      lanes.push(content)
      continue
    }
    shared.push(...content)
    sharedBytes += bytes
    if (sharedBytes >= laneBytes) closeShared()
  }
  closeShared()
  return lanes
}

/** New files that the cut kept from being stored; what can't be read is no matter of time. */
export function missingFiles(
  { cut }: Save,
  { fresh }: SavePlan,
  written: WrittenContent,
): ScannedFile[] {
  if (cut?.signal.aborted !== true) return []
  const settled = new Set([...written.files, ...written.leftOut].map(({ path }) => path))
  return fresh.flatMap(({ file }) => (settled.has(file.path) ? [] : [file]))
}

/** A late venv is still the one that the base describes. */
export function settleVenvs(
  base: Base,
  venvs: Manifest['venvs'],
  { isLate }: InTime,
): Manifest['venvs'] {
  if (isLate === undefined) return venvs
  const kept = (base.manifest?.venvs ?? []).filter(({ path }) => isLate(path))
  return [...venvs.filter(({ path }) => !isLate(path)), ...kept]
}

export function isNothingNew(tree: Tree<StoredFile>, { manifest }: Base): boolean {
  return manifest === undefined ? tree.files.length === 0 : isSameTree(tree, manifest.tree)
}

/** `\`n4\`, \`n5\`, \`n6\` and 14 more (17 new or changed files, 648.5 MiB)`. */
export function lateText(late: readonly LateUnit[]): string {
  const files = late.reduce((sum, unit) => sum + unit.files, 0)
  const bytes = late.reduce((sum, unit) => sum + unit.bytes, 0)
  const amount = files === 1 ? 'a new or changed file' : `${files} new or changed files`
  return `${nameLate(late.map(({ path }) => path))} (${amount}, ${sizeText(bytes)})`
}

export function announceLate({ name, onNote }: ArchiveOptions, late: readonly LateUnit[]): void {
  if (late.length > 0)
    onNote?.(
      'warn',
      `there was no time to save ${lateText(late)}: \`${name}\` keeps of that what it had, and the next save sends it`,
    )
}
