import { type ScannedFile, rescanFile } from '../scan/scan.ts'
import type { HardLinkEntry, Tree, TreePath } from '../format/tree.ts'

/**
 * Files whose first name could not be stored, because it went away meanwhile, under their next name. Renames the further ones in the
 * tree, so that they lead to that.
 */
export function renameLostFiles(
  root: string,
  scan: Tree<ScannedFile>,
  stored: ReadonlySet<TreePath>,
): ScannedFile[] {
  const anew: ScannedFile[] = []
  const names = new Map<TreePath, TreePath>()
  const rest: HardLinkEntry[] = []
  for (const link of scan.hardLinks) {
    const to = names.get(link.to) ?? link.to
    const file = stored.has(to) || names.has(link.to) ? undefined : rescanFile(root, link.path)
    if (file === undefined) rest.push({ path: link.path, to })
    else {
      anew.push(file)
      names.set(link.to, link.path)
    }
  }
  scan.hardLinks = rest
  return anew
}
