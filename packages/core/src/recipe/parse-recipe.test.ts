import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseRecipe } from './parse-recipe.ts'
import {
  keySpan,
  nodeAt,
  plainValue,
  positionOf,
  type Path,
  type RecipeNode,
} from './recipe-node.ts'
import { spanInScalar } from './source-offset.ts'
import { problemsOf } from '../test-plugins.ts'

function rootOf(text: string): RecipeNode {
  const { root, problems } = parseRecipe(text, 'r.yaml')
  expect(problems).toEqual([])
  if (!root) {
    throw new Error('the text has no root')
  }
  return root
}

test('values are those of YAML 1.2, and nothing is coerced', () => {
  const root = rootOf(
    'a: yes\nb: 0644\nc: 0o17\nd: 1.50\ne: ~\nf: "5"\ng: 12:30\nh: 2024-01-01\ni: on\n',
  )
  expect(plainValue(root)).toEqual({
    a: 'yes',
    b: 644,
    c: 15,
    d: 1.5,
    e: null,
    f: '5',
    g: '12:30',
    h: '2024-01-01',
    i: 'on',
  })
})

test('an alias is its anchor, place and all', () => {
  const root = rootOf('a: &list [x, y]\nb: *list\n')
  expect(plainValue(root)).toEqual({ a: ['x', 'y'], b: ['x', 'y'] })
  const item = nodeAt(root, ['b', 1])
  expect(item && positionOf(item)).toEqual({ file: 'r.yaml', line: 1, column: 14 })
})

test('a merge key adds what the map lacks, the first of several first', () => {
  const text = `a: &a { x: 1, y: 1 }
b: &b { y: 2, z: 2 }
c:
  <<: [*a, *b]
  x: 0
`
  const root = rootOf(text)
  expect(plainValue(root)).toMatchObject({ c: { x: 0, y: 1, z: 2 } })
  const place = (path: Path) => positionOf(keySpan(root, path))
  expect(place(['c', 'x'])).toMatchObject({ line: 5, column: 3 })
  expect(place(['c', 'z'])).toMatchObject({ line: 2, column: 15 })
})

test('a key named __proto__ is a key like any other', () => {
  const value = plainValue(rootOf('__proto__: { polluted: true }\n'))
  expect(Object.keys(value as object)).toEqual(['__proto__'])
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})

test('a quoted << is a key like any other', () => {
  expect(plainValue(rootOf('"<<": { a: 1 }\n'))).toEqual({ '<<': { a: 1 } })
})

test.each([
  ['plain', 'k: one NEEDLE two\n'],
  ['single quotes', "k: 'it''s a ''NEEDLE'' here'\n"],
  ['double quotes', 'k: "a\\tb\\x41\\u0042\\"c\\" NEEDLE"\n'],
  ['a literal block', 'k: |\n  first\n\n    second NEEDLE\n  third\n'],
  ['a folded block', 'k: >-\n  first\n  second\n\n  third NEEDLE\n'],
  ['plain over several lines', 'k: first\n  second\n\n  third NEEDLE\n'],
  ['double quotes over several lines', 'k: "first\n  second \\\n  third NEEDLE"\n'],
  ['an anchor and a tag before', 'k: &x !!str NEEDLE\n'],
  ['a map in braces', 'k: { k: [a, "b NEEDLE"] }\n'],
])('finds a character of a value where it was written: %s', (_title, text) => {
  const scalars = scalarsIn(rootOf(text))
  const [node] = scalars.filter(({ value }) => String(value).includes('NEEDLE'))
  if (!node) {
    throw new Error('the needle is gone')
  }
  const { start } = spanInScalar(node, String(node.value).indexOf('NEEDLE'), 6)
  expect(text.slice(start, start + 6)).toBe('NEEDLE')
})

function scalarsIn(node: RecipeNode): Extract<RecipeNode, { kind: 'scalar' }>[] {
  if (node.kind === 'scalar') {
    return [node]
  }
  const inner =
    node.kind === 'list' ? node.items : [...node.entries.values()].map((entry) => entry.node)
  return inner.flatMap(scalarsIn)
}

test('nesting without end is refused, not followed', async () => {
  const codes = async (text: string) => (await problemsOf(text)).map(({ code }) => code)
  expect(await codes(`x: ${'['.repeat(10_000)}`)).toEqual(['recipe/syntax'])
  expect(await codes(`x: ${'['.repeat(3000)}${']'.repeat(3000)}\n`)).toEqual(['recipe/syntax'])
  expect(await codes(`x: "${'a'.repeat(1_100_000)}"\n`)).toEqual(['recipe/too-large'])
})

const samples = [
  ...readFileSync(new URL('mistakes.md', import.meta.url), 'utf8').matchAll(
    /^```yaml right\n(.*?)^```$/gms,
  ),
].map(([, text = '']) => text)
const edits = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.nat(3),
    insert: fc.oneof(
      fc.constantFrom(
        '${{',
        '}}',
        '*a',
        '&a ',
        '<<: ',
        '- ',
        ': ',
        '\n',
        '  ',
        "'",
        '"',
        '[',
        '{',
        '!',
        '|',
        '#',
        '\t',
        'needs: [a]',
        'null',
        '\u0000',
        '\ud800',
        'é😀',
      ),
      fc.string({ maxLength: 3 }),
    ),
  }),
  { minLength: 1, maxLength: 4 },
)

test('whatever a recipe holds is a problem with a place, never a crash', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...samples), edits, async (sample, changes) => {
      let text = sample
      for (const { at, remove, insert } of changes) {
        const index = Math.floor(at * text.length)
        text = text.slice(0, index) + insert + text.slice(index + remove)
      }
      const lines = text.split('\n').length
      for (const problem of await problemsOf(text)) {
        expect(problem.code).toMatch(/^recipe\/[a-z-]+$/)
        expect(problem.message).not.toMatch(/undefined|\[object|^Error/)
        expect(problem.at?.line).toBeGreaterThan(0)
        expect(problem.at?.line).toBeLessThanOrEqual(lines)
        expect(problem.excerpt).toContain('^')
      }
    }),
    { numRuns: 1500 },
  )
})
