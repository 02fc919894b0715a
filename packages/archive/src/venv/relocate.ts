import { lstatSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isInside, readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import { eachFile, eachLink } from '../format/column-entries.ts'
import type { Manifest, StoredFile } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { type Relocation, type TextKind, isWritable, relocateText } from './relocate-text.ts'
import {
  type FileToRewrite,
  type LinkToRewrite,
  rewriteFile,
  rewriteLink,
} from './rewrite-entries.ts'
import { type Rewritten, rewrittenHash } from './rewritten.ts'
import { columnsOf } from '../snapshots/read-facts.ts'
import type { Staging } from '../restore/staging.ts'
import { type TreePath, fileSystemPath, joinPath, parentPath } from '../format/tree.ts'
import type { VenvFingerprint } from './venv-fingerprint.ts'
import { type Destination, venvMoves } from './venv-moves.ts'

interface RelocationOptions {
  options: Pick<ArchiveOptions, 'onNote'>
  manifest: Manifest
  staging: Staging
  destination: Destination
}

interface Plan {
  files: FileToRewrite[]
  links: LinkToRewrite[]
  /** Compiled from a file that may be rewritten: of the same time and length, it would be taken for compiled from the new one. */
  outdated: TreePath[]
}

/**
 * Makes the venvs of a filled staging believe that they were created where they will stand: `pyvenv.cfg`, the scripts in `bin`, `.pth`
 * files, editable finders, `.egg-link`, `direct_url.json`, the specifications of Jupyter's kernels, and links to a Python in the tree.
 * Modes, owners and mtimes stay. What is in the tree changes only once all that will change is written down beside it: after a cut,
 * the same is written again.
 */
export async function relocateStaged(relocation: RelocationOptions): Promise<Rewritten> {
  const { staging, destination, options } = relocation
  const note = join(staging.directory, 'relocation.json')
  const noted = await readFileIfPresent(note)
  const plan = noted === undefined ? await makePlan(relocation) : (JSON.parse(`${noted}`) as Plan)
  const files = plan.files.map(({ path, size, hash }) => ({ path, size, hash }))
  const links = plan.links.map(({ path, target }) => ({ path, target }))
  if (noted === undefined && files.length + links.length + plan.outdated.length > 0)
    await writeFileAtomic(note, JSON.stringify(plan))
  for (const file of plan.files) rewriteFile(staging.tree, file)
  for (const link of plan.links) rewriteLink(staging.tree, link)
  for (const path of plan.outdated) rmSync(fileSystemPath(staging.tree, path), { force: true })
  if (files.length + links.length > 0) {
    const places = new Set(relocation.manifest.venvs.map(({ prefix }) => prefix))
    const from = [...places].join(', ')
    const count = files.length + links.length
    options.onNote?.('info', `moved from ${from} to ${destination.named}: ${count} files rewritten`)
  }
  return { files, links }
}

async function makePlan(relocation: RelocationOptions): Promise<Plan> {
  const { manifest, destination, options } = relocation
  const plan: Plan = { files: [], links: [], outdated: [] }
  const isInTree = createLookup(manifest, destination.named)
  for (const venv of manifest.venvs) {
    const moves = await venvMoves(venv, destination)
    if (moves.length === 0) continue
    if (isWritable(destination.named)) addVenv(plan, relocation, { venv, moves, isInTree })
    else {
      const place = joinPath(destination.named, venv.path)
      const why = 'its name holds what scripts could not quote'
      options.onNote?.('warn', `the scripts in ${place} still name ${venv.prefix}: ${why}`)
    }
  }
  return plan
}

interface MovedVenv extends Omit<Relocation, 'kind'> {
  venv: VenvFingerprint
}

function addVenv(plan: Plan, { manifest, staging }: RelocationOptions, moved: MovedVenv): void {
  const columns = columnsOf(manifest)
  for (const file of eachFile(columns)) {
    const kind = kindOf(file, moved.venv.path)
    if (kind === 'compiled') plan.outdated.push(file.path)
    else if (kind !== undefined) {
      const rewritten = planFile(staging.tree, file, { ...moved, kind })
      if (rewritten !== undefined) plan.files.push(rewritten)
    }
  }
  const planned = new Set(plan.links.map(({ path }) => path))
  const bin = joinPath(moved.venv.path, 'bin')
  for (const { path, target, mtime } of eachLink(columns)) {
    // Any link may be on the way to a Python that is part of the tree.
    if ((moved.venv.home !== '' && parentPath(path) !== bin) || planned.has(path)) continue
    const { to, from } = moved.moves.find((move) => isInside(target, move.from)) ?? {}
    if (to === undefined || from === undefined) continue
    const there = to + target.slice(from.length)
    if (moved.isInTree(there)) plan.links.push({ path, target: there, mtime })
  }
}

// Scripts and settings are short; what is longer is a program or data.
const LONGEST_TEXT_BYTES = 1024 * 1024

const KINDS: readonly [RegExp, TextKind | 'compiled'][] = [
  [/^pyvenv\.cfg$/, 'settings'],
  [/^bin\/(?:de)?activate(?:\.\w+)?$/, 'shell'],
  [/^bin\/[^/]+$/, 'script'],
  [/^lib\/[^/]+\/site-packages\/[^/]+\.(?:pth|egg-link)$/, 'data'],
  [/^lib\/[^/]+\/site-packages\/__editable__[^/]*\.py$/, 'data'],
  [/^lib\/[^/]+\/site-packages\/__pycache__\/__editable__[^/]*\.pyc$/, 'compiled'],
  [/^lib\/[^/]+\/site-packages\/[^/]+\.dist-info\/direct_url\.json$/, 'data'],
  [/^share\/jupyter\/kernels\/[^/]+\/kernel\.json$/, 'data'],
]

type FoundFile = Pick<StoredFile, 'path' | 'size' | 'mtime'>

function kindOf({ path, size }: FoundFile, venv: TreePath): TextKind | 'compiled' | undefined {
  if (size === 0 || size > LONGEST_TEXT_BYTES) return undefined
  if (venv !== '' && !path.startsWith(`${venv}/`)) return undefined
  const below = venv === '' ? path : path.slice(venv.length + 1)
  return KINDS.find(([expression]) => expression.test(below))?.[1]
}

function planFile(
  root: string,
  { path, mtime }: FoundFile,
  relocation: Relocation,
): FileToRewrite | undefined {
  const at = fileSystemPath(root, path)
  const before = readFileSync(at).toString('latin1')
  const after = relocateText(before, relocation)
  if (after === before) return undefined
  const content = Buffer.from(after, 'latin1')
  const facts = { path, mtime, mode: lstatSync(at).mode & 0o7777, size: content.length }
  return { ...facts, hash: rewrittenHash(content), content: content.toString('base64') }
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
