import { lstatSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isInside, readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import { eachLink } from '../format/column-entries.ts'
import type { Manifest } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import type { FoundFile, MovedVenv, MovedVenvs } from './moved-venvs.ts'
import { type Relocation, relocateText } from './relocate-text.ts'
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
import type { Destination } from './venv-moves.ts'

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
export async function relocateStaged(
  relocation: RelocationOptions,
  moved: MovedVenvs,
): Promise<Rewritten> {
  const { staging, destination, options } = relocation
  const note = join(staging.directory, 'relocation.json')
  const noted = await readFileIfPresent(note)
  const plan = noted === undefined ? makePlan(relocation, moved) : (JSON.parse(`${noted}`) as Plan)
  const files = plan.files.map(({ path, size, hash }) => ({ path, size, hash }))
  const links = plan.links.map(({ path, target }) => ({ path, target }))
  if (noted === undefined && files.length + links.length + plan.outdated.length > 0)
    await writeFileAtomic(note, JSON.stringify(plan))
  for (const file of plan.files) rewriteFile(staging.tree, file)
  for (const link of plan.links) rewriteLink(staging.tree, link)
  for (const path of plan.outdated) rmSync(fileSystemPath(staging.tree, path), { force: true })
  if (files.length + links.length > 0) {
    const places = new Set(relocation.manifest.venvs.map(({ named, prefix }) => named ?? prefix))
    const from = [...places].join(', ')
    const count = files.length + links.length
    options.onNote?.('info', `moved from ${from} to ${destination.named}: ${count} files rewritten`)
  }
  return { files, links }
}

function makePlan(relocation: RelocationOptions, { venvs, unwritable }: MovedVenvs): Plan {
  const { destination, options } = relocation
  const plan: Plan = { files: [], links: [], outdated: [] }
  for (const moved of venvs) addVenv(plan, relocation, moved)
  for (const venv of unwritable) {
    const place = joinPath(destination.named, venv.path)
    const why = 'its name holds what scripts could not quote'
    options.onNote?.('warn', `the scripts in ${place} still name ${venv.prefix}: ${why}`)
  }
  return plan
}

function addVenv(plan: Plan, { manifest, staging }: RelocationOptions, moved: MovedVenv): void {
  for (const { kind, ...file } of moved.files) {
    if (kind === 'compiled') {
      plan.outdated.push(file.path)
      continue
    }
    const rewritten = planFile(staging.tree, file, { ...moved, kind })
    if (rewritten !== undefined) plan.files.push(rewritten)
  }
  const planned = new Set(plan.links.map(({ path }) => path))
  const bin = joinPath(moved.venv.path, 'bin')
  for (const { path, target, mtime } of eachLink(columnsOf(manifest))) {
    // Any link may be on the way to a Python that is part of the tree.
    if ((moved.venv.home !== '' && parentPath(path) !== bin) || planned.has(path)) continue
    const { to, from } = moved.moves.find((move) => isInside(target, move.from)) ?? {}
    if (to === undefined || from === undefined) continue
    const there = to + target.slice(from.length)
    if (moved.isInTree(there)) plan.links.push({ path, target: there, mtime })
  }
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
