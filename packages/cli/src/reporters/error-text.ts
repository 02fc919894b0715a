import { stripVTControlCharacters } from 'node:util'
import type { ErrorFacts } from '@berth/core/error'
import { plain, type Style } from './symbols.ts'

/** An error as lines: what went wrong with its code, where, the source line, the cure. A bug keeps its stack. */
export function errorText(error: ErrorFacts, style: Style = plain): string[] {
  const problems = error.problems ?? []
  if (problems.length > 0) return problems.flatMap((problem) => errorText(problem, style))
  return [
    `${style.symbol('failed')} ${printable(error.message)}  ${style.dim(error.code)}`,
    ...errorDetails(error),
  ]
}

/** The lines below the first one, indented. */
export function errorDetails(error: ErrorFacts): string[] {
  const [problem, ...more] = error.problems ?? []
  // One that is told already, in the same words.
  const isWrongInput = error.code === 'recipe/invalid-input' && more.length === 0
  if (problem !== undefined && isWrongInput && error.message.endsWith(problem.message)) {
    return errorDetails({ ...problem, message: error.message })
  }
  const lines: string[] = []
  if (!isTold(error, problem)) {
    if (error.at !== undefined) {
      lines.push(`at ${error.at.file}:${error.at.line}:${error.at.column}`)
    }
    if (error.excerpt !== undefined) lines.push(...error.excerpt.split('\n'))
  }
  if (error.code === 'core/bug') {
    lines.push(
      ...(error.stack ?? '')
        .split('\n')
        .slice(1)
        .map((line) => line.trim()),
    )
    lines.push('This is a bug in Berth')
  }
  for (const cause of error.causes ?? []) {
    if (!error.message.includes(cause)) lines.push(`because ${printable(cause)}`)
  }
  for (const problem of error.problems ?? []) lines.push(...errorText(problem))
  if (error.hint !== undefined && (more.length === 0 || error.hint !== problem?.hint))
    lines.push(`To fix: ${error.hint}`)
  return lines.filter((line) => line !== '').map((line) => `  ${line}`)
}

/** An error that stands for several has the place of the first, which tells it itself. */
function isTold({ at }: ErrorFacts, first: ErrorFacts | undefined): boolean {
  const place = first?.at
  if (place === undefined || at === undefined) return false
  return place.file === at.file && place.line === at.line && place.column === at.column
}

/** Text without what would move the cursor or recolour the terminal, on one line. */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll('\t', '  ')
    .replaceAll(/\p{Cc}/gu, ' ')
}
