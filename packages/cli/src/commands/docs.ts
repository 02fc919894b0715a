import { writeFileSync } from 'node:fs'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { plugins } from '../plugins.ts'
import { readmeOf, readReadme, withOptions } from '../readme.ts'

export const docs = defineCommand({
  usage: 'docs [--write]',
  description:
    'Prints the option tables of all plugins, from the same description that validates them; `--write` puts them into the READMEs of a checkout.',
  positionals: [0, 0],
  options: { write: { type: 'boolean', describe: 'replace the tables in packages/*/README.md' } },
  run: async ({ values }) => {
    const { describeOptions } = await import('@berth/core/docs')
    for (const [name, load] of Object.entries(plugins)) {
      const table = describeOptions(await load())
      if (!values.write) {
        process.stdout.write(`${table.trim()}\n\n`)
        continue
      }
      const file = readmeOf(name)
      const before = readReadme(file)
      const after = withOptions(before, table, file)
      if (after !== before) writeFileSync(file, after)
      process.stderr.write(`${after === before ? 'unchanged' : 'written'}  ${file}\n`)
    }
    return exitCodes.right
  },
})
