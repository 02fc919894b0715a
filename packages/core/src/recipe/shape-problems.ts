import type { z } from 'zod'
import type { BerthError, Position } from '../error.ts'
import { mapHint } from './map-hint.ts'
import { problem, writtenAt, type Path } from './recipe-node.ts'
import { knownKeys } from './schema-keys.ts'
import { didYouMean, suggest } from '../suggest.ts'
import { hasExpression } from '../expression/template.ts'

type Issue = z.core.$ZodIssue

/** What zod looked at, and how to speak of it. */
export interface Shape {
  schema: z.ZodType
  /** The value at a path; undefined where there is none. */
  valueAt: (path: Path) => unknown
  /** Where the value at a path was written, or where one that is missing should be. */
  positionOf: (path: Path) => Position
  /** Where the key at the end of a path was written. */
  keyPositionOf: (path: Path) => Position
  noun: 'key' | 'input'
  /** What has the keys at a path: `a step`. */
  owner: (path: Path) => string
}

/** Problems in a recipe's words for the issues that zod found. */
export function shapeProblems(issues: readonly Issue[], shape: Shape): BerthError[] {
  return withoutMisspelt(issues, shape).flatMap((issue) => {
    switch (issue.code) {
      case 'unrecognized_keys':
        return issue.keys.map((key) => unknownKey(key, issue.path, shape))
      case 'invalid_type':
        return [typeProblem(issue.path, typeWord(issue.expected), shape)]
      case 'invalid_value':
        return [choiceProblem(issue, shape)]
      case 'invalid_union':
        return unionProblems(issue, shape)
      case 'invalid_key':
        return [nameProblem(issue, shape)]
      default:
        return [valueProblem(issue, shape)]
    }
  })
}

/** Leaves out that a key is missing where it was only misspelt. */
function withoutMisspelt(issues: readonly Issue[], shape: Shape): readonly Issue[] {
  const meant = new Set<string>()
  for (const issue of issues) {
    for (const key of issue.code === 'unrecognized_keys' ? issue.keys : []) {
      const best = suggest(key, knownKeys(shape.schema, issue.path))
      meant.add([...issue.path, best].join('/'))
    }
  }
  const isMeant = ({ path }: Issue) =>
    shape.valueAt(path) === undefined && meant.has(path.map(String).join('/'))
  return issues.filter((issue) => issue.code === 'unrecognized_keys' || !isMeant(issue))
}

function unknownKey(key: string, path: Path, shape: Shape): BerthError {
  const at = shape.keyPositionOf([...path, key])
  const owner = shape.owner(path)
  const hint = didYouMean(key, knownKeys(shape.schema, path))
  return problem(
    `recipe/unknown-${shape.noun}`,
    `${owner} has no ${shape.noun} \`${key}\``,
    at,
    hint,
  )
}

function typeProblem(path: Path, expected: string, shape: Shape): BerthError {
  const value = shape.valueAt(path)
  const at = shape.positionOf(path)
  if (value === undefined) {
    const name = String(path.at(-1))
    const message = `${shape.owner(path.slice(0, -1))} needs the ${shape.noun} \`${name}\``
    return problem(`recipe/missing-${shape.noun}`, message, at, `add \`${name}: …\``)
  }
  const label = labelOf(path, shape)
  const message =
    value === null
      ? `${label} is empty; it must be ${expected}`
      : `${label} must be ${expected}, not ${describeValue(value)}`
  const isPlain = ['string', 'number'].includes(typeof value)
  const meant =
    isPlain && shape.noun === 'key' && expected === 'a map'
      ? mapHint(path, writtenAt(at) ?? String(value))
      : undefined
  const hint = meant ?? variableHint(path, at, shape) ?? typeHint(value, expected, at, shape)
  return problem('recipe/wrong-type', message, at, hint)
}

/** `model: tiny` below `vars` can only mean its value. */
function variableHint(path: Path, at: Position, shape: Shape): string | undefined {
  const value = shape.valueAt(path)
  const isPlain = ['string', 'number', 'boolean'].includes(typeof value)
  if (shape.noun !== 'key' || path.length !== 2 || path[0] !== 'vars' || !isPlain) return undefined
  return `write \`{ default: ${writtenAt(at) ?? String(value)} }\``
}

function typeHint(
  value: unknown,
  expected: string,
  at: Position,
  shape: Shape,
): string | undefined {
  if (shape.noun === 'key' && hasExpression(value)) {
    return 'expressions are not evaluated here: write the value itself'
  }
  if (expected.startsWith('text') && (typeof value === 'number' || typeof value === 'boolean')) {
    return `put it in quotes: "${writtenAt(at) ?? value}"`
  }
  if (expected === 'true or false' && typeof value === 'string') {
    return `write \`true\` or \`false\`, without quotes`
  }
  if (expected === 'a list' && typeof value === 'string') {
    return 'write it like [first, second]'
  }
  return value === null ? 'give it a value, or remove it' : undefined
}

function choiceProblem(issue: Extract<Issue, { code: 'invalid_value' }>, shape: Shape): BerthError {
  const value = shape.valueAt(issue.path)
  const choices = issue.values.map(String)
  const all = `${choices.length > 1 ? 'one of ' : ''}${choices.map(quoted).join(', ')}`
  const listed = choices.length > 8 ? 'one of its values' : all
  if (value === undefined) {
    return typeProblem(issue.path, listed, shape)
  }
  const message = `${labelOf(issue.path, shape)} must be ${listed}, not ${describeValue(value)}`
  const best = typeof value === 'string' ? suggest(value, choices) : undefined
  const hint = best === undefined ? undefined : `did you mean \`${best}\`?`
  return problem('recipe/bad-value', message, shape.positionOf(issue.path), hint)
}

/** A union fails with the issues of every branch; those of the branch that has the right type are what the user wants to see. */
function unionProblems(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  shape: Shape,
): BerthError[] {
  const isMap = typeof shape.valueAt(issue.path) === 'object'
  const isOtherType = ({ code, path }: Issue): boolean =>
    path.length === 0 && (code === 'invalid_type' || (code === 'invalid_value' && isMap))
  const typed = issue.errors.find((errors) => !errors.some(isOtherType))
  if (typed && shape.valueAt(issue.path) !== undefined) {
    const issues = typed.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
    return shapeProblems(issues, shape)
  }
  const expected = issue.errors.flatMap((errors) =>
    errors.map((inner) =>
      inner.code === 'invalid_type' ? typeWord(inner.expected) : 'another value',
    ),
  )
  return [typeProblem(issue.path, [...new Set(expected)].join(' or '), shape)]
}

function nameProblem(issue: Extract<Issue, { code: 'invalid_key' }>, shape: Shape): BerthError {
  const at = shape.keyPositionOf(issue.path)
  const [inner] = issue.issues
  const name = String(issue.path.at(-1))
  const custom = inner?.code === 'custom' ? inner : undefined
  const message = custom ? custom.message : `\`${name}\` is not a name that can stand here`
  return problem(codeOf(custom, 'recipe/bad-name'), message, at, hintOf(custom))
}

function valueProblem(issue: Issue, shape: Shape): BerthError {
  const at = shape.positionOf(issue.path)
  const label = labelOf(issue.path, shape)
  if (issue.code === 'custom' && issue.params?.code !== undefined) {
    return problem(codeOf(issue, ''), issue.message, at, hintOf(issue))
  }
  const message = `${label} ${limitWords(issue, shape.valueAt(issue.path))}`
  return problem('recipe/bad-value', message, at, hintOf(issue))
}

function limitWords(issue: Issue, value: unknown): string {
  const not =
    value === undefined || typeof value === 'object' ? '' : `, not ${describeValue(value)}`
  const size = { string: ' characters', array: ' items', set: ' items', map: ' entries' }
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    const unit = size[issue.origin as keyof typeof size] ?? ''
    const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum
    if (issue.code === 'too_small' && unit !== '' && bound === 1) {
      return 'must not be empty'
    }
    return `must ${unit ? 'have' : 'be'} at ${issue.code === 'too_small' ? 'least' : 'most'} ${bound}${unit}${not}`
  }
  if (issue.code === 'invalid_format') {
    return `must be ${issue.format === 'regex' ? `like ${issue.pattern}` : `a valid ${issue.format}`}${not}`
  }
  return issue.message.startsWith('must ') ? `${issue.message}${not}` : `is wrong: ${issue.message}`
}

function codeOf(issue: Issue | undefined, otherwise: string): string {
  return issue?.code === 'custom' && typeof issue.params?.code === 'string'
    ? issue.params.code
    : otherwise
}

function hintOf(issue: Issue | undefined): string | undefined {
  return issue?.code === 'custom' && typeof issue.params?.hint === 'string'
    ? issue.params.hint
    : undefined
}

/** `directories[1]` for the path of an item, `to` for that of a key. */
function labelOf(path: Path, shape: Shape): string {
  const start = path.findLastIndex((key) => typeof key === 'string')
  if (start === -1) {
    return shape.owner(path)
  }
  const indexes = path.slice(start + 1).map((index) => `[${String(index)}]`)
  return `\`${String(path[start])}${indexes.join('')}\``
}

function typeWord(expected: string): string {
  const words: Record<string, string> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a map',
    record: 'a map',
    null: 'empty',
  }
  return words[expected] ?? expected
}

/** A value in words, for the end of a message: `the number 5`. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) {
    return 'empty'
  }
  if (Array.isArray(value)) {
    return 'a list'
  }
  switch (typeof value) {
    case 'string':
      // Not its beginning: of a secret that is cut nobody could tell that it is one.
      if (value.length > 60) return `a text of ${value.length} characters`
      return value === '' ? 'the empty text' : `the text \`${value}\``
    case 'number':
      return `the number ${value}`
    case 'boolean':
      return `\`${value}\``
    default:
      return 'a map'
  }
}

function quoted(text: string): string {
  return `\`${text}\``
}
