import { parseExpression, type ContextName } from '../expression/parse-expression.ts'
import type { RecipeStep } from './recipe.ts'
import { parseTemplate } from '../expression/template.ts'
import { references } from '../expression/walk-expression.ts'

/** A mention of another step in an expression; without `output`, of all its outputs, or of one whose name only a run knows. */
export interface OutputReference {
  step: string | undefined
  output: string | undefined
}

/** Which outputs of other steps a step is made of: in its condition, inputs, script, environment and directory. */
export function outputReferences(step: RecipeStep): OutputReference[] {
  const texts = [step.inputs, step.run, step.env, step.workingDirectory].flatMap(expressionsIn)
  return [...texts, ...(step.if === undefined ? [] : [step.if])].flatMap(referencesIn)
}

function referencesIn(expression: string): OutputReference[] {
  return references(parseExpression(expression).tree)
    .filter(
      ({ context, names }) =>
        context.lexeme.toLowerCase() === 'steps' && names[1]?.text !== 'result',
    )
    .map(({ names }) => ({ step: names[0]?.text, output: names[2]?.text }))
}

/** Says whether a bare expression names anything of a context. */
export function namesContext(expression: string, name: ContextName): boolean {
  return references(parseExpression(expression).tree).some(
    ({ context }) => context.lexeme.toLowerCase() === name,
  )
}

/** The bare expressions in all texts within a value. */
export function expressionsIn(value: unknown): string[] {
  if (typeof value === 'string') {
    return parseTemplate(value).parts.flatMap((part) =>
      part.kind === 'expression' ? [part.text] : [],
    )
  }
  return typeof value === 'object' && value !== null
    ? Object.values(value).flatMap(expressionsIn)
    : []
}
