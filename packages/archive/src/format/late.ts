import { type TreePath, parentPath } from './tree.ts'

// A cache has hundreds.
const NAMED_AT_MOST = 5

/** What a save had no time for, in words: `\`n4\`, \`n5\` and 12 more`. */
export function nameLate(late: readonly TreePath[]): string {
  const named = late
    .slice(0, NAMED_AT_MOST)
    .map((path) => (path === '' ? 'its uppermost files' : `\`${path}\``))
  const more = late.length - named.length
  if (more > 0) return `${named.join(', ')} and ${more} more`
  return named.length < 2 ? named.join() : `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`
}

/** Whether a path is in what a save had no time for; the tree's own name stands for the files in none of its directories. */
export function isInLate(late: TreePath, path: TreePath): boolean {
  return late === '' ? parentPath(path) === '' : path === late || path.startsWith(`${late}/`)
}
