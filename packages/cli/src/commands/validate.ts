import type { ErrorFacts } from '@berth/core/error'
import { BerthError, errorFacts, isBerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { plugins } from '../plugins.ts'
import { errorText } from '../reporters/error-text.ts'
import { plain, styleFor } from '../reporters/symbols.ts'

const formats = ['text', 'json', 'github'] as const

export const validate = defineCommand({
  usage: 'validate RECIPE… [--format text|json|github]',
  description:
    'Checks recipes: syntax, steps, options, expressions, order. Runs nothing and does not read the environment, so CI can do it.',
  positionals: [1, Number.POSITIVE_INFINITY],
  options: {
    format: {
      type: 'string',
      value: 'FORMAT',
      describe: 'text (default), json, or github for annotations',
    },
    json: { type: 'boolean', describe: 'the same as `--format json`' },
  },
  run: async ({ positionals, values }) => {
    const format = values.format ?? (values.json ? 'json' : 'text')
    if (!formats.some((known) => known === format)) {
      throw new BerthError('cli/usage', `the format \`${format}\` is unknown`, {
        hint: 'use one of `text`, `json`, `github`',
      })
    }
    const results: { file: string; problems: ErrorFacts[] }[] = []
    for (const file of positionals) results.push({ file, problems: await problemsOf(file) })
    if (format === 'json') process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`)
    if (format === 'github') process.stdout.write(results.flatMap(annotations).join(''))
    if (format === 'text') results.forEach(printText)
    return results.every(({ problems }) => problems.length === 0)
      ? exitCodes.right
      : exitCodes.usage
  },
})

async function problemsOf(file: string): Promise<ErrorFacts[]> {
  const { readRecipe } = await import('@berth/core')
  try {
    await readRecipe(file, plugins)
    return []
  } catch (error) {
    if (!isBerthError(error)) throw error
    const facts = errorFacts(error)
    return facts.problems ?? [facts]
  }
}

function printText({ file, problems }: { file: string; problems: ErrorFacts[] }): void {
  const style = process.stderr.isTTY ? styleFor(process.stderr) : plain
  const lines = problems.flatMap((problem) => errorText(problem, style))
  if (problems.length === 0) lines.push(`${style.symbol('done')} ${file} is valid`)
  process.stderr.write(`${lines.join('\n')}\n`)
}

/** Workflow commands: https://docs.github.com/actions/reference/workflow-commands-for-github-actions */
function annotations({ file, problems }: { file: string; problems: ErrorFacts[] }): string[] {
  return problems.map(({ at, code, message, hint }) => {
    const place = `file=${property(at?.file ?? file)},line=${at?.line ?? 1},col=${at?.column ?? 1}`
    const text = hint === undefined ? message : `${message}\nTo fix: ${hint}`
    return `::error ${place},title=${property(code)}::${escaped(text)}\n`
  })
}

function escaped(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return escaped(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
