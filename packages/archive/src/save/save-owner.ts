import type { Manifest } from '../format/manifest.ts'
import type { ScannedFile } from '../scan/scan.ts'
import type { Tree } from '../format/tree.ts'

interface Owned {
  path: string
  uid: number
  gid: number
  mode?: number
}

const SET_ID = 0o6000

/**
 * The owners and set-id bits that the base has, where an ordinary user could not give them back: a restore without root makes
 * everything its own, and to save that would take them away from the pods that run as root.
 */
export function inheritOwners(
  scan: Tree<ScannedFile>,
  base: Manifest | undefined,
  uid: number | undefined,
): Tree<ScannedFile> {
  if (base === undefined || uid === undefined || uid === 0) return scan
  const { tree } = base
  return {
    ...scan,
    directories: inherit(scan.directories, tree.directories, uid),
    files: inherit(scan.files, tree.files, uid),
    links: inherit(scan.links, tree.links, uid),
  }
}

function inherit<Entry extends Owned>(
  entries: readonly Entry[],
  base: readonly Owned[],
  uid: number,
): Entry[] {
  const before = new Map(base.map((entry) => [entry.path, entry]))
  return entries.map((entry) => {
    const old = before.get(entry.path)
    if (old === undefined || entry.uid !== uid) return entry
    const isForeign = old.uid !== entry.uid || old.gid !== entry.gid
    if (!isForeign) return entry
    const { mode } = entry
    const isSameMode = mode !== undefined && mode === ((old.mode ?? 0) & ~SET_ID)
    return { ...entry, uid: old.uid, gid: old.gid, ...(isSameMode ? { mode: old.mode } : {}) }
  })
}
