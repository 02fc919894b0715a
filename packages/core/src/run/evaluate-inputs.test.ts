import { expect, test } from 'vitest'
import { evaluateInputs } from './evaluate-inputs.ts'
import type { ExpressionContext } from '../expression/expression.ts'
import { bootStep, goodRecipe } from '../test-plugins.ts'

const context: ExpressionContext = {
  vars: { pod: '/w', jobs: 4, store: 's3:/typo', words: 'a few' },
  env: {},
  secrets: {},
  steps: { volume: { outputs: { path: '/vol' }, result: 'done' } },
  platform: {},
  status: 'success',
}

const text = (inputs: string) => `vars: { pod: {}, jobs: {}, store: {}, words: {} }
boot:
  - { id: volume, uses: network-volume/detect }
  - uses: restore/shared
    with:
      to: \${{ vars.pod }}/tree
      directories: [venv]
${inputs}`

async function inputsOf(inputs: string) {
  return bootStep(await goodRecipe(text(inputs)), 1)
}

test('expressions have their values, and the plugin fills in its defaults', async () => {
  const step = await inputsOf(
    '      volume: ${{ steps.volume.outputs.path }}\n      jobs: ${{ vars.jobs }}\n      wait: 3s\n',
  )
  expect(evaluateInputs(step, context)).toEqual({
    to: '/w/tree',
    directories: ['venv'],
    volume: '/vol',
    jobs: 4,
    wait: 3000,
    existing: 'aside',
  })
})

test('an output that was never set is empty text', async () => {
  const step = await inputsOf('      volume: ${{ steps.volume.outputs.path }}\n')
  expect(evaluateInputs(step, { ...context, steps: {} })).toMatchObject({ volume: '' })
})

test('values that turn out wrong are said at their places', async () => {
  const step = await inputsOf('      jobs: ${{ vars.words }}\n      store: ${{ vars.store }}\n')
  expect(() => evaluateInputs(step, context)).toThrow(
    expect.objectContaining({
      code: 'recipe/invalid-input',
      message:
        'the inputs of the step `restore-shared` are not right: `jobs` must be a number, not the text `a few`',
      at: { file: 'recipe.yaml', line: 8, column: 13 },
      excerpt: '8 |       jobs: ${{ vars.words }}\n  |             ^^^^^^^^^^^^^^^^^',
      problems: [
        expect.objectContaining({ code: 'recipe/wrong-type' }),
        expect.objectContaining({
          code: 'recipe/bad-value',
          message: '`store` must begin with `file://` or `s3://`, not the text `s3:/typo`',
          hint: 'write it like s3://bucket/prefix',
          at: { file: 'recipe.yaml', line: 9, column: 14 },
        }),
      ],
    }),
  )
})

test('an expression that fails is said at its place', async () => {
  const step = await inputsOf('      jobs: ${{ fromJSON(vars.words) }}\n')
  expect(() => evaluateInputs(step, context)).toThrow(
    expect.objectContaining({
      code: 'recipe/invalid-input',
      at: { file: 'recipe.yaml', line: 8, column: 13 },
      problems: [expect.objectContaining({ code: 'recipe/expression' })],
    }),
  )
})

test('a run step has no inputs', async () => {
  const recipe = await goodRecipe('boot: [{ run: x }]\n')
  expect(evaluateInputs(bootStep(recipe, 0), context)).toEqual({})
})

test('a long value that is wrong is not shown in part, because no mask would know it', async () => {
  const step = await inputsOf('      jobs: ${{ vars.words }}\n')
  const long = { ...context, vars: { ...context.vars, words: 'x'.repeat(61) } }
  expect(() => evaluateInputs(step, long)).toThrow(
    /`jobs` must be a number, not a text of 61 characters$/,
  )
})
