import { isInside } from '@berth/filesystem'
import { createPaths } from '../format/column-entries.ts'
import type { Manifest, StoredFile } from '../format/manifest.ts'
import type { TreeColumns } from '../format/manifest-columns.ts'
import { columnsOf } from '../snapshots/read-facts.ts'
import { type TreePath, joinPath, parentPath } from '../format/tree.ts'
import { type Relocation, type TextKind, isWritable } from './relocate-text.ts'
import type { VenvFingerprint } from './venv-fingerprint.ts'
import { type Destination, venvMoves } from './venv-moves.ts'

/** The venvs of a tree that will not stand where they were saved, and what of them may say where that was. */
export interface MovedVenvs {
  venvs: MovedVenv[]
  /** Those whose files no new name can be written into. */
  unwritable: VenvFingerprint[]
}

export interface MovedVenv extends Omit<Relocation, 'kind'> {
  venv: VenvFingerprint
  files: (FoundFile & { kind: Kind })[]
}

/** Looks through a manifest: nothing of the tree needs to be there yet. */
export async function findMovedVenvs({
  manifest,
  destination,
}: {
  manifest: Manifest
  destination: Destination
}): Promise<MovedVenvs> {
  const found: MovedVenvs = { venvs: [], unwritable: [] }
  const isInTree = createLookup(manifest, destination.named)
  for (const venv of manifest.venvs) {
    const moves = await venvMoves(venv, destination)
    if (moves.length === 0) continue
    if (isWritable(destination.named))
      found.venvs.push({ venv, moves, isInTree, files: textsOf(columnsOf(manifest), venv.path) })
    else found.unwritable.push(venv)
  }
  return found
}

// Scripts and settings are short; what is longer is a program or data.
const LONGEST_TEXT_BYTES = 1024 * 1024

type Kind = TextKind | 'compiled'

/** By the directory, below the venv, and the name in it. */
const KINDS: readonly { directory: RegExp; name: RegExp; kind: Kind }[] = [
  { directory: /^$/, name: /^pyvenv\.cfg$/, kind: 'settings' },
  { directory: /^bin$/, name: /^(?:de)?activate(?:\.\w+)?$/, kind: 'shell' },
  { directory: /^bin$/, name: /^/, kind: 'script' },
  { directory: /^lib\/[^/]+\/site-packages$/, name: /\.(?:pth|egg-link)$/, kind: 'data' },
  { directory: /^lib\/[^/]+\/site-packages$/, name: /^__editable__.*\.py$/, kind: 'data' },
  {
    directory: /^lib\/[^/]+\/site-packages\/__pycache__$/,
    name: /^__editable__.*\.pyc$/,
    kind: 'compiled',
  },
  {
    directory: /^lib\/[^/]+\/site-packages\/[^/]+\.dist-info$/,
    name: /^direct_url\.json$/,
    kind: 'data',
  },
  { directory: /^share\/jupyter\/kernels\/[^/]+$/, name: /^kernel\.json$/, kind: 'data' },
]

export type FoundFile = Pick<StoredFile, 'path' | 'size' | 'mtime'>

/** The files of a venv that may name its place, found by their directories: those are a sixth of the files. */
function textsOf(columns: TreeColumns, venv: TreePath): MovedVenv['files'] {
  const { starts, names, size, mtime } = columns.files
  const { parent, names: directories } = columns.directories
  const pathOf = createPaths(columns)
  const found: MovedVenv['files'] = []
  for (let directory = 0; directory + 1 < starts.length; directory++) {
    const [first, end] = [starts[directory] as number, starts[directory + 1] as number]
    if (first === end) continue
    const path =
      directory === 0 ? '' : pathOf(parent[directory] as number, directories[directory] as string)
    const kinds = kindsIn(path, venv)
    for (let file = first; kinds.length > 0 && file < end; file++) {
      const name = names.at(file)
      const kind = kinds.find((each) => each.name.test(name))?.kind
      const bytes = size[file] as number
      if (kind !== undefined && bytes > 0 && bytes <= LONGEST_TEXT_BYTES)
        found.push({ path: joinPath(path, name), size: bytes, mtime: mtime[file] as number, kind })
    }
  }
  return found
}

function kindsIn(directory: TreePath, venv: TreePath): readonly (typeof KINDS)[number][] {
  if (directory !== venv && venv !== '' && !directory.startsWith(`${venv}/`)) return []
  const below = directory.slice(venv === '' ? 0 : venv.length + 1)
  return KINDS.filter((kind) => kind.directory.test(below))
}

/** Says whether the tree has an entry that will be at this path; behind a link within the tree it is believed. */
function createLookup(manifest: Manifest, place: string): (path: string) => boolean {
  let paths: Set<TreePath> | undefined
  let links: Set<TreePath> | undefined
  return (path) => {
    if (path !== place && !isInside(path, place)) return false
    // The tree is built only when a link asks for it.
    const { tree } = manifest
    const entries = [tree.directories, tree.files, tree.links, tree.hardLinks]
    paths ??= new Set(entries.flatMap((list) => list.map((entry) => entry.path)))
    links ??= new Set(tree.links.map((link) => link.path))
    for (let below = path.slice(place.length + 1); ; below = parentPath(below)) {
      if (links.has(below)) return true
      if (below === '') return paths.has(path.slice(place.length + 1))
    }
  }
}
