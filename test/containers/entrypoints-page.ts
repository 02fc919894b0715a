import * as path from 'node:path'
import { root } from '../workspace.ts'

export const page = path.join(root, 'docs/entrypoints.md')

const start = '<!-- table:start -->\n'
const end = '<!-- table:end -->'

/** The page with the table between its marks replaced. */
export function withTable(text: string, table: string): string {
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`${page} has no place for the table`)
  return text.slice(0, from + start.length) + table + text.slice(to)
}
