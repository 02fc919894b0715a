import { fileURLToPath } from 'node:url'
import { BerthError } from '@berth/core/error'

const start = '<!-- options:start -->'
const end = '<!-- options:end -->'

/** The README of a plugin in this checkout. */
export function readmeOf(plugin: string): string {
  return fileURLToPath(new URL(`../../${plugin}/README.md`, import.meta.url))
}

/** A README with the table between its marks replaced. Throws `cli/no-options-marks`. */
export function withOptions(readme: string, table: string, file: string): string {
  const from = readme.indexOf(start)
  const to = readme.indexOf(end)
  if (from === -1 || to < from) {
    throw new BerthError(
      'cli/no-options-marks',
      `could not write the options into \`${file}\`: it has no place for them`,
      {
        hint: `put \`${start}\` and \`${end}\` where they belong`,
      },
    )
  }
  return `${readme.slice(0, from + start.length)}\n${table.trim()}\n${readme.slice(to)}`
}
