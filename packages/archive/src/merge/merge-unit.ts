import { type Tree, type TreePath, baseName, parentPath } from '../format/tree.ts'

/** `environment`: a venv, or another directory that packages are installed into. `node`: a custom node. `git`: a repository's own files. */
export type UnitKind = 'environment' | 'node' | 'git' | 'path'

/** What is taken from one side as a whole when two states of a tree are merged. */
export interface Unit {
  kind: UnitKind
  path: TreePath
}

/**
 * Tells the unit of every path. What belongs together only works together: files of two versions of a package, or of a repository,
 * make neither. Everything else is a unit of its own.
 */
export function createUnits(trees: readonly Tree[], archive: string): (path: TreePath) => Unit {
  const environments = findEnvironments(trees)
  const known = new Map<TreePath, Unit | undefined>()
  const whole = (path: TreePath): Unit | undefined => {
    if (known.has(path)) return known.get(path)
    const unit = (path === '' ? undefined : whole(parentPath(path))) ?? beginsUnit(path)
    known.set(path, unit)
    return unit
  }
  const beginsUnit = (path: TreePath): Unit | undefined => {
    if (environments.has(path)) return { kind: 'environment', path }
    if (path === '' || baseName(path) === DISABLED) return undefined
    if (holdsNodes(parentPath(path), archive)) return { kind: 'node', path }
    return baseName(path) === '.git' ? { kind: 'git', path } : undefined
  }
  return (path) => whole(path) ?? { kind: 'path', path: path.replace(DATABASE_PART, '') }
}

/** Where ComfyUI's manager puts the nodes that are switched off. */
const DISABLED = '.disabled'
/** What SQLite keeps beside a database (sqlite.org/tempfiles.html) is of no use to another. */
const DATABASE_PART = /-(wal|shm|journal)$/

function holdsNodes(directory: TreePath, archive: string): boolean {
  if (directory !== '' && baseName(directory) === DISABLED)
    return holdsNodes(parentPath(directory), archive)
  return baseName(directory === '' ? archive : directory) === 'custom_nodes'
}

const PACKAGES = new Set(['site-packages', 'dist-packages'])
const LIBRARY = /(^|\/)lib(64)?\/python[^/]*$/

function findEnvironments(trees: readonly Tree[]): Set<TreePath> {
  const found = new Set<TreePath>()
  for (const { files, directories } of trees) {
    for (const { path } of files) if (baseName(path) === 'pyvenv.cfg') found.add(parentPath(path))
    for (const { path } of directories) {
      if (!PACKAGES.has(baseName(path))) continue
      const library = parentPath(path)
      found.add(LIBRARY.test(library) ? library.replace(LIBRARY, '') : path)
    }
  }
  return found
}

/**
 * What programs write by themselves, and write again: bytecode, and what git notes or fetches. A change of nothing else is none that
 * two sides could disagree about.
 */
export function isDerived(path: TreePath): boolean {
  return BYTECODE.test(path) || FETCHED.test(path)
}

const BYTECODE = /(^|\/)__pycache__(\/[^/]+\.pyc)?$/
const FETCHED =
  /(^|\/)\.git\/(FETCH_HEAD$|ORIG_HEAD$|COMMIT_EDITMSG$|index$|gc\.log$|logs(\/|$)|objects(\/|$)|refs\/remotes(\/|$))/
