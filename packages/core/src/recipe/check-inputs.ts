import type { z } from 'zod'
import type { BerthError } from '../error.ts'
import { keySpan, nodeAt, plainValue, positionOf, type Path } from './recipe-node.ts'
import { shapeProblems, type Shape } from './shape-problems.ts'
import { placeInStep, type StepDraft } from './step-draft.ts'
import { hasExpression, isWholeExpression } from '../expression/template.ts'

type Issue = z.core.$ZodIssue

/**
 * Checks a step's `with` against its plugin's schema, without knowing what expressions will give: a value that is wholly an expression
 * counts as right, a text that holds one counts as text. Both are checked again, with their values, just before the step runs.
 */
export function inputProblems(draft: StepDraft): BerthError[] {
  const { node, uses } = draft
  const given = nodeAt(node, ['with'])
  if (!uses || (given && given.kind !== 'map')) {
    return []
  }
  const values = given ? plainValue(given) : {}
  const result = safeParse(uses.definition.inputs, values)
  if (!result || result.success) {
    return []
  }
  const shape: Shape = {
    schema: uses.definition.inputs,
    noun: 'input',
    owner: (path) => ownerOf(uses.name, path),
    valueAt: (path) => valueAt(values, path),
    positionOf: (path) => positionOf(placeInStep(node, ['with', ...path])),
    keyPositionOf: (path) => positionOf(keySpan(node, ['with', ...path])),
  }
  return shapeProblems(knowable(result.error.issues, values), shape)
}

/** `restore/shared`, or the part of its inputs that a path names. */
export function ownerOf(uses: string, path: Path): string {
  return path.length === 0 ? `\`${uses}\`` : `\`${path.map(String).join('.')}\` of \`${uses}\``
}

/** The value at a path in plain data. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (found, key) =>
      typeof found === 'object' && found !== null && Object.hasOwn(found, key)
        ? (found as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  )
}

/** Undefined when the schema can't judge values that still hold expressions. */
export function safeParse(
  schema: z.ZodType,
  values: unknown,
): z.ZodSafeParseResult<unknown> | undefined {
  try {
    return schema.safeParse(values)
  } catch (error) {
    // A transform may choke on the text of an expression; it sees the value before the step runs.
    if (hasExpression(values)) {
      return undefined
    }
    throw error
  }
}

/** The issues that hold whatever the expressions give. */
export function knowable(issues: readonly Issue[], values: unknown): Issue[] {
  return issues.flatMap((issue): Issue[] => {
    const value = valueAt(values, issue.path)
    if (isWholeExpression(value)) {
      return []
    }
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const errors = issue.errors.map((branch) => knowable(branch, value))
      return errors.some((branch) => branch.length === 0) ? [] : [{ ...issue, errors } as Issue]
    }
    const aboutType = issue.code === 'invalid_type' || issue.code === 'unrecognized_keys'
    const aboutContent = !aboutType && issue.code !== 'too_small' && issue.code !== 'too_big'
    const unsure = typeof value === 'string' ? !aboutType : aboutContent
    return unsure && hasExpression(value) ? [] : [issue]
  })
}
