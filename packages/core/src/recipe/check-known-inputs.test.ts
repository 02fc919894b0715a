import { expect, test } from 'vitest'
import { checkKnownInputs } from './check-known-inputs.ts'
import { checkRecipe } from './check-recipe.ts'
import { BerthError } from '../error.ts'
import { definePlugin } from '../plugin/plugin.ts'
import { testPlugin, testPlugins } from '../test-plugins.ts'
import { resolveValues } from './values.ts'

const head = `vars: { store: { env: STORE }, jobs: {} }
secrets: [KEY]
boot:
  - { id: volume, uses: network-volume/detect }
`
const step = (more: string) =>
  `  - { id: shared, uses: restore/shared, with: { to: /w, directories: [a], store: "\${{ vars.store }}" }${more} }\n`

/** What is said of a recipe whose steps are checked with these values; nothing when all is well. */
async function problemsWith(text: string, env: Record<string, string> = { STORE: 's3:/typo' }) {
  const { steps, ...restore } = await testPlugin('restore')
  const check = ({ env: seen, workingDirectory }: { env: object; workingDirectory: string }) => {
    if ('HALF' in seen) throw new BerthError('lab/half', `half in ${workingDirectory}`)
  }
  const shared = { ...steps.shared!, check }
  const recipe = await checkRecipe(text, {
    file: 'r.yaml',
    plugins: {
      ...testPlugins,
      restore: async () => definePlugin({ ...restore, steps: { shared } }),
    },
  })
  const values = resolveValues(recipe, { env, set: {} })
  const question = { recipe, values, platform: {}, workingDirectory: '/here' }
  try {
    checkKnownInputs({ ...question, pipelines: ['boot', 'shutdown'] })
    return []
  } catch (error) {
    if (!(error instanceof BerthError)) throw error
    return error.problems.map(({ code, message, at }) => [
      `${at?.line}:${at?.column}`,
      code,
      message,
    ])
  }
}

const typo = [
  '5:82',
  'recipe/bad-value',
  '`store` must begin with `file://` or `s3://`, not the text `s3:/typo`',
]

test('what a variable holds is checked at the place that uses it', async () => {
  expect(await problemsWith(head + step(''))).toEqual([typo])
  expect(await problemsWith(head + step(''), { STORE: 's3://b' })).toEqual([])
})

test('the shutdown is checked as well, before the boot', async () => {
  expect(await problemsWith(`${head}shutdown:\n${step('')}`)).toEqual([['6:82', typo[1], typo[2]]])
})

test('all mistakes are said at once', async () => {
  const error = await problemsWith(head + step('') + step('').replace('shared', 'other'))
  expect(error).toHaveLength(2)
})

test.each([
  ['is optional', ', optional: true'],
  ['does not run', ", if: vars.jobs == 'many'"],
  ['may not run, for all that is known', ', if: steps.volume.outputs.present'],
])('a step that %s is left alone', async (_which, more) => {
  expect(await problemsWith(head + step(more))).toEqual([])
  expect(await problemsWith(head + step(", if: vars.jobs != 'many'"))).toEqual([typo])
})

test.each([
  'store: "${{ steps.volume.outputs.path }}"',
  'store: "${{ env.FROM_STEP }}"',
  'store: "${{ steps.volume.result }}"',
  'jobs: "${{ fromJSON(vars.store) }}"',
])('what only a run can tell counts as right: %s', async (input) => {
  const text = `  - { uses: restore/shared, env: { FROM_STEP: "\${{ steps.volume.outputs.path }}" }, with: { to: /w, directories: [a], ${input} } }\n`
  expect(await problemsWith(head + text, { STORE: 'x', HALF: '1' })).toEqual([])
})

test('what is known is checked beside what is not', async () => {
  const text = step('').replace('to: /w', 'to: "${{ steps.volume.outputs.path }}"')
  expect(await problemsWith(head + text, { STORE: 'x', HALF: '1' })).toMatchObject([
    [expect.any(String), 'recipe/bad-value', expect.any(String)],
  ])
})

test('inputs that are complete are checked by the step itself, in its own environment and directory', async () => {
  const text = head + step(', working-directory: below')
  expect(await problemsWith(text, { STORE: 's3://b', HALF: '1' })).toEqual([
    ['5:5', 'lab/half', 'half in /here/below'],
  ])
  expect(await problemsWith(head + step(''), { STORE: 's3://b' })).toEqual([])
})

test('a secret that stands in the wrong place is not shown', async () => {
  const text = head + step('').replace('vars.store', 'secrets.KEY')
  expect(await problemsWith(text, { KEY: 'a-key-of-mine' })).toEqual([
    [
      '5:82',
      'recipe/bad-value',
      '`store` must begin with `file://` or `s3://`, not the text `[secret]`',
    ],
  ])
})
