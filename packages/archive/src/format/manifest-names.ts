import { BerthError } from '@berth/core/error'
import type { TreeColumns } from './manifest-columns.ts'

/**
 * Refuses names that lead out of the tree, and one path twice. Every parent is one of the manifest's own directories, so a path that
 * occurs twice is the only way below a link.
 */
export function checkNames(columns: TreeColumns): void {
  const { directories, links, hardLinks } = columns
  const [root, ...below] = directories.names
  if (root !== '') unsafe(String(root))
  checkSafe(below)
  checkSafe(links.names)
  for (const [, name] of hardLinks) {
    if (name.includes('/')) unsafe(name)
    checkSafe([name])
  }
  checkFileNames(columns)
  const others = new Set<string>()
  for (let index = 1; index < directories.names.length; index++)
    checkOther(columns, others, {
      directory: directories.parent[index] as number,
      name: directories.names[index] as string,
    })
  for (const [index, name] of links.names.entries())
    checkOther(columns, others, { directory: links.directory[index] as number, name })
  for (const [directory, name] of hardLinks) checkOther(columns, others, { directory, name })
}

function checkSafe(names: readonly string[]): void {
  for (const name of names) {
    if (name === '' || name === '.' || name === '..' || name.includes('\0')) unsafe(name)
  }
}

/** A directory's files stand in the order of their names, so that two alike would be neighbours. */
function checkFileNames({ files: { names, starts } }: TreeColumns): void {
  if (names.text.includes('\0')) unsafe('a name with a NUL')
  for (let directory = 0; directory + 1 < starts.length; directory++) {
    const end = starts[directory + 1] as number
    for (let index = starts[directory] as number; index < end; index++) {
      if (names.isReserved(index)) unsafe(names.at(index))
      if (index + 1 < end && !names.isBeforeNext(index)) twice(names.at(index))
    }
  }
}

/** A directory or link must have no name that another entry of its directory has. */
function checkOther(
  { files: { names, starts } }: TreeColumns,
  others: Set<string>,
  { directory, name }: { directory: number; name: string },
): void {
  const key = `${directory}/${name}`
  if (others.has(key)) twice(name)
  others.add(key)
  let low = starts[directory] as number
  let high = (starts[directory + 1] as number) - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const order = names.compareWith(middle, name)
    if (order === 0) twice(name)
    if (order < 0) low = middle + 1
    else high = middle - 1
  }
}

function unsafe(name: string): never {
  throw new BerthError('archive/unsafe-path', `\`${name}\` is not a path inside the tree`)
}

function twice(name: string): never {
  throw new BerthError(
    'archive/unsafe-path',
    `\`${name}\` occurs twice in a directory or out of order, so that one entry could lie below or over another`,
  )
}
