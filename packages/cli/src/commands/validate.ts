import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ErrorFacts } from '@berth/core/error'
import { BerthError, errorFacts, isBerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { requireAnswer } from '../overlay-volume.ts'
import { plugins } from '../plugins.ts'
import { type CheckedFile, githubAnnotations, gitlabReport } from '../problem-formats.ts'
import { errorText } from '../reporters/error-text.ts'
import { plain, styleFor } from '../reporters/symbols.ts'

const formats: Record<string, (files: readonly CheckedFile[]) => void> = {
  text: (files) => files.forEach(printText),
  json: (files) => process.stdout.write(`${JSON.stringify(files, undefined, 2)}\n`),
  github: (files) => process.stdout.write(githubAnnotations(files)),
  gitlab: (files) => process.stdout.write(gitlabReport(files)),
}

export const validate = defineCommand({
  usage: 'validate RECIPE… [--overlay FILE] [--format text|json|github|gitlab]',
  description:
    'Checks recipes: syntax, steps, options, expressions, order. Runs nothing and does not read the environment, so CI can do it.',
  positionals: [1, Number.POSITIVE_INFINITY],
  options: {
    overlay: {
      type: 'string',
      value: 'FILE',
      describe: 'check each recipe with this one on top',
    },
    format: {
      type: 'string',
      value: 'FORMAT',
      describe: 'text (default), json, github for annotations, or gitlab for a code quality report',
    },
    json: { type: 'boolean', describe: 'the same as `--format json`' },
  },
  run: async ({ positionals, values }) => {
    const format = values.format ?? (values.json ? 'json' : 'text')
    const print = Object.hasOwn(formats, format) ? formats[format] : undefined
    if (print === undefined) {
      const known = Object.keys(formats).map((name) => `\`${name}\``)
      throw new BerthError('cli/usage', `the format \`${format}\` is unknown`, {
        hint: `use one of ${known.join(', ')}`,
      })
    }
    if (values.overlay !== undefined) await requireAnswer(resolve(values.overlay))
    if (values.overlay !== undefined && !existsSync(values.overlay)) {
      // A boot does without one, but here it is what was to be checked.
      throw new BerthError('cli/usage', `there is no overlay \`${values.overlay}\``, {
        hint: 'check the path; it is relative to the current directory',
      })
    }
    const checked: CheckedFile[] = []
    for (const file of positionals) {
      checked.push({ file, problems: await problemsOf(file, values.overlay) })
    }
    print(checked)
    return checked.every(({ problems }) => problems.length === 0)
      ? exitCodes.right
      : exitCodes.usage
  },
})

async function problemsOf(file: string, overlay: string | undefined): Promise<ErrorFacts[]> {
  const { readRecipe } = await import('@berth/core')
  try {
    await readRecipe(file, plugins)
    if (overlay !== undefined) await readRecipe(file, plugins, { overlay })
    return []
  } catch (error) {
    if (!isBerthError(error)) throw error
    const facts = errorFacts(error)
    return facts.problems ?? [facts]
  }
}

function printText({ file, problems }: CheckedFile): void {
  const style = process.stderr.isTTY ? styleFor(process.stderr) : plain
  const lines = problems.flatMap((problem) => errorText(problem, style))
  if (problems.length === 0) lines.push(`${style.symbol('done')} ${file} is valid`)
  process.stderr.write(`${lines.join('\n')}\n`)
}
