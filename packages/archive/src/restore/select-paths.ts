import { BerthError } from '@berth/core/error'
import { suggest } from '@berth/core/suggest'
import type { StoredFile } from '../format/manifest.ts'
import { type Tree, type TreePath, baseName, parentPath } from '../format/tree.ts'

/**
 * The part of a tree that lies at or below some paths, with the directories that lead there. Throws `archive/no-such-path`, naming
 * what is near.
 */
export function selectPaths(
  tree: Tree<StoredFile>,
  paths: readonly string[],
  where: { archive: string; snapshot: string },
): Tree<StoredFile> {
  const asked = paths.map((path) => normal(path))
  for (const [index, path] of asked.entries())
    if (!holds(tree, path)) throw noSuchPath(tree, { ...where, path: paths[index] ?? path })
  const isWanted = ({ path }: { path: TreePath }): boolean =>
    asked.some((wanted) => wanted === '' || path === wanted || path.startsWith(`${wanted}/`))
  const links = tree.links.filter(isWanted)
  const { files, hardLinks } = nameAnew(tree, isWanted)
  const needed = new Set<TreePath>([''])
  const found = tree.directories.filter(isWanted)
  for (const { path } of [...files, ...links, ...hardLinks, ...found])
    for (let at = parentPath(path); at !== ''; at = parentPath(at)) needed.add(at)
  for (const { path } of found) needed.add(path)
  return {
    directories: tree.directories.filter(({ path }) => needed.has(path)),
    files,
    links,
    hardLinks,
    leftOut: [],
  }
}

/** `./lib/` is `lib`; what leaves the tree stays as it is, and is found nowhere. */
function normal(path: string): TreePath {
  return path
    .replace(/^(?:\.\/+)+/, '')
    .replace(/\/+$/, '')
    .replace(/^\.$/, '')
}

function holds({ directories, files, links, hardLinks }: Tree, path: TreePath): boolean {
  return [directories, files, links, hardLinks].some((entries: { path: TreePath }[]) =>
    entries.some((entry) => entry.path === path),
  )
}

/** Of a file whose first name is not wanted, the first name that is stands for it. */
function nameAnew(
  tree: Tree<StoredFile>,
  isWanted: (entry: { path: TreePath }) => boolean,
): Pick<Tree<StoredFile>, 'files' | 'hardLinks'> {
  const files = tree.files.filter(isWanted)
  const names = new Map(files.map(({ path }) => [path, path]))
  const originals = new Map(tree.files.map((file) => [file.path, file]))
  const hardLinks: Tree['hardLinks'] = []
  for (const { path, to } of tree.hardLinks.filter(isWanted)) {
    const name = names.get(to)
    const original = originals.get(to)
    if (name !== undefined) hardLinks.push({ path, to: name })
    else if (original !== undefined) {
      files.push({ ...original, path })
      names.set(to, path)
    }
  }
  return { files, hardLinks }
}

// A hint is one line.
const MAX_NAMED = 5

function noSuchPath(
  tree: Tree,
  { archive, snapshot, path }: { archive: string; snapshot: string; path: string },
): BerthError {
  const near = nearPaths(tree, normal(path)).slice(0, MAX_NAMED)
  return new BerthError(
    'archive/no-such-path',
    `there is no \`${path}\` in \`${archive}\` ${snapshot}`,
    {
      hint:
        near.length === 0
          ? 'name a path as it is in the tree, relative to it'
          : `name a path of the tree, such as ${near.map((each) => `\`${each}\``).join(', ')}`,
    },
  )
}

/** What has the same name elsewhere, then what was probably meant by a typo, names that hold the one asked for, then what lies where it was looked for. */
function nearPaths(tree: Tree, path: TreePath): TreePath[] {
  const all = [tree.directories, tree.files, tree.links, tree.hardLinks]
    .flatMap((entries: { path: TreePath }[]) => entries.map((entry) => entry.path))
    .filter((each) => each !== '')
    .toSorted((a, b) => a.length - b.length)
  const name = baseName(path).toLowerCase()
  const directories = new Set(tree.directories.map((entry) => entry.path))
  let parent = parentPath(path)
  while (!directories.has(parent)) parent = parentPath(parent)
  const neighbours = all.filter((each) => parentPath(each) === parent)
  const unknown = path.slice(parent === '' ? 0 : parent.length + 1).split('/')[0] ?? ''
  const meant = suggest(
    unknown,
    neighbours.map((each) => baseName(each)),
  )
  const stem = name.replace(/\..*$/, '').slice(0, 4)
  return [
    ...new Set([
      ...all.filter((each) => baseName(each).toLowerCase() === name),
      ...neighbours.filter((each) => baseName(each) === meant),
      ...all.filter((each) => name !== '' && baseName(each).toLowerCase().includes(name)),
      ...neighbours.filter((each) => stem !== '' && baseName(each).toLowerCase().startsWith(stem)),
      ...neighbours,
    ]),
  ]
}
