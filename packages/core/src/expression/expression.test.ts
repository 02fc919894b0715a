import { expect, test } from 'vitest'
import { errorFacts } from '../error.ts'
import {
  evaluateCondition,
  evaluateExpression,
  evaluateText,
  evaluateValue,
  type ExpressionContext,
} from './expression.ts'

const context: ExpressionContext = {
  vars: { pod: '/workspace', jobs: 4, fast: true, empty: '' },
  env: { HOME: '/root', Path: 'mixed', PATH: '/bin' },
  secrets: { TOKEN: 'abc' },
  steps: {
    volume: { outputs: { present: true, path: '/vol', list: ['a', 'b'] }, result: 'done' },
    constructor: { outputs: {}, result: 'failed' as const },
  },
  platform: { name: 'runpod', gpu: true },
  pipeline: 'boot',
  status: 'success',
}

test.each([
  ['vars.pod', '/workspace'],
  ['vars.jobs', 4],
  ['vars.fast', true],
  ['steps.volume.outputs.list', ['a', 'b']],
  ['steps.volume.result', 'done'],
  ['steps.constructor.result', 'failed'],
  ["steps['volume'].outputs.path", '/vol'],
  ['steps.*.result', ['done', 'failed']],
  ['steps.missing.outputs.path', null],
  ['env.PATH', '/bin'],
  ['env.Path', 'mixed'],
  ['env.UNSET', null],
  ['pipeline', 'boot'],
  ['platform.gpu && vars.jobs > 3', true],
  ["vars.empty || 'other'", 'other'],
  ["'it''s a ''test'''", "it's a 'test'"],
  ["contains(steps.volume.outputs.list, 'b')", true],
  ["startsWith(vars.pod, '/') && endsWith(vars.pod, 'space')", true],
  ["format('{0}-{1}', vars.jobs, 'x')", '4-x'],
  ["join(steps.volume.outputs.list, '+')", 'a+b'],
  ['fromJSON(\'{"a":{"b":[1,null]}}\')', { a: { b: [1, null] } }],
  ['fromJSON(toJSON(steps.volume.outputs)).path', '/vol'],
])('evaluates %s', (text, expected) => {
  expect(evaluateExpression(text, context)).toEqual(expected)
})

test('a text has the values of its expressions, and nothing where nothing was set', () => {
  const text = '${{ vars.pod }}/${{ vars.jobs }}/${{ vars.fast }}/${{ env.UNSET }}.'
  expect(evaluateText(text, context)).toBe('/workspace/4/true/.')
  expect(evaluateText("$HOME ${HOME} ${{ '${{' }}", context)).toBe('$HOME ${HOME} ${{')
})

test('a value that came from outside is not evaluated again', () => {
  const vars = { evil: '${{ secrets.TOKEN }}' }
  expect(evaluateText('<${{ vars.evil }}>', { ...context, vars })).toBe('<${{ secrets.TOKEN }}>')
})

test('a value that is one expression keeps its type, at any depth', () => {
  const value = {
    count: '${{ vars.jobs }}',
    text: 'n${{ vars.jobs }}',
    list: ['${{ steps.volume.outputs.list }}', 7, null, false],
    unset: '${{ steps.none.outputs.path }}',
  }
  expect(evaluateValue(value, context)).toEqual({
    count: 4,
    text: 'n4',
    list: [['a', 'b'], 7, null, false],
    unset: '',
  })
})

test.each([
  [
    '${{ steps.volume.outputs.list }}!',
    '`steps.volume.outputs.list` is a list, which cannot be part of a text',
  ],
  ['${{ steps.volume }}!', '`steps.volume` is a map, which cannot be part of a text'],
  [
    "${{ fromJSON('{') }}",
    "could not evaluate `fromJSON('{')`: Error parsing JSON when evaluating fromJson",
  ],
  ['${{ nothing }}', 'could not read `nothing`: `nothing` is not a name that expressions know'],
  ['${{ vars.pod', '`${{` is not closed in `${{ vars.pod`'],
])('refuses %s', (text, message) => {
  expect(() => evaluateText(text, context)).toThrow(
    expect.objectContaining({ code: 'recipe/expression', message }),
  )
})

test.each([
  ['true', true, false, false],
  ["vars.pod == '/WORKSPACE'", true, false, false],
  ['vars.empty', false, false, false],
  ['success()', true, false, false],
  ['failure()', false, true, false],
  ['cancelled()', false, false, true],
  ['always()', true, true, true],
  ['!cancelled()', true, true, false],
  ['Always() && vars.jobs == 4', true, true, true],
  ["env.A == 'always()'", false, false, false],
])('the condition %s holds on success, failure, cancelled: %s, %s, %s', (text, ...expected) => {
  const statuses = ['success', 'failure', 'cancelled'] as const
  const held = statuses.map((status) => evaluateCondition(text, { ...context, status }))
  expect(held).toEqual(expected)
})

test('does not repeat the beginning of a secret that is no JSON', () => {
  const thrown: unknown[] = []
  try {
    evaluateText('${{ fromJSON(secrets.TOKEN) }}', {
      ...context,
      secrets: { TOKEN: 'hf_abcdefghijk' },
    })
  } catch (error) {
    thrown.push(error)
  }
  expect(JSON.stringify(thrown.map(errorFacts))).toMatch(/Error parsing JSON(?!.*hf_)/)
})
