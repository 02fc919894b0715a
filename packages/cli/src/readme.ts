import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BerthError } from '@berth/core/error'

const start = '<!-- options:start -->'
const end = '<!-- options:end -->'

/** The text of a plugin's README. Throws `cli/no-options-marks` where there is none. */
export function readReadme(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new BerthError(
      'cli/no-options-marks',
      `could not write the options into \`${file}\`: there is no such file`,
      {
        hint: `begin the README of a new plugin with its description, and put \`${start}\` and \`${end}\` where the options belong; without \`--write\` they are only printed`,
      },
    )
  }
}

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
