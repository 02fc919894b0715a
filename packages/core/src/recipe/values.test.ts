import { expect, test } from 'vitest'
import { goodRecipe } from '../test-plugins.ts'
import { resolveValues } from './values.ts'

const text = `vars:
  pod: { env: POD, default: /workspace }
  jobs: { env: JOBS, default: 4 }
  fast: { default: false }
  store: { env: STORE, required: true }
  token: { required: true }
  free: {}
secrets: [HF_TOKEN, OTHER]
env:
  HOME: \${{ vars.pod }}/home
  PATH: /opt/bin:\${{ env.PATH }}
  ALL: \${{ toJSON(env) }}
`

const enough = { STORE: 'file:///s' }

test('--set goes before the environment, and that before the default', async () => {
  const recipe = await goodRecipe(text)
  const { vars } = resolveValues(recipe, {
    env: { ...enough, POD: '/env', JOBS: '8' },
    set: { pod: '/set', token: 't', fast: 'true' },
  })
  expect(vars).toEqual({
    pod: '/set',
    jobs: 8,
    fast: true,
    store: 'file:///s',
    token: 't',
    free: '',
  })
})

test('what is empty counts as unset', async () => {
  const recipe = await goodRecipe(text)
  const { vars } = resolveValues(recipe, {
    env: { ...enough, POD: '/env', JOBS: '' },
    set: { pod: '', token: 't' },
  })
  expect(vars).toMatchObject({ pod: '/env', jobs: 4, fast: false })
})

test('everything that is missing or wrong is said at once, with its place', async () => {
  const recipe = await goodRecipe(text)
  const env = { STORE: '', JOBS: 'many' }
  expect(() => resolveValues(recipe, { env, set: { fast: 'yes', pdo: 'x' } })).toThrow(
    expect.objectContaining({
      code: 'recipe/bad-variable',
      message: 'could not start `recipe.yaml`: 5 variables cannot be set',
      problems: [
        expect.objectContaining({
          code: 'recipe/bad-variable',
          message: 'the variable `jobs` must be a number, not `many`',
          at: { file: 'recipe.yaml', line: 3, column: 3 },
        }),
        expect.objectContaining({
          code: 'recipe/bad-variable',
          message: 'the variable `fast` must be true or false, not `yes`',
        }),
        expect.objectContaining({
          code: 'recipe/missing-variable',
          message:
            'the variable `store` is required, but the environment variable `STORE` is empty or unset',
          hint: 'set `STORE`, or give `--set store=…`',
          at: { file: 'recipe.yaml', line: 5, column: 3 },
          excerpt: '5 |   store: { env: STORE, required: true }\n  |   ^^^^^',
        }),
        expect.objectContaining({
          code: 'recipe/missing-variable',
          message: 'the variable `token` is required, but nothing sets it',
          hint: 'give `--set token=…`',
        }),
        expect.objectContaining({
          code: 'recipe/unknown-variable',
          message: 'could not set `pdo`: the recipe declares no such variable',
          hint: 'did you mean `pod`?',
        }),
      ],
    }),
  )
})

test('one missing variable gives its own code', async () => {
  const recipe = await goodRecipe(text)
  expect(() => resolveValues(recipe, { env: enough, set: {} })).toThrow(
    expect.objectContaining({ code: 'recipe/missing-variable' }),
  )
})

test('the environment has what the recipe adds, and its expressions see no secret', async () => {
  const recipe = await goodRecipe(text)
  const given = { ...enough, PATH: '/bin', HF_TOKEN: 'hf_12345678', UNSET: undefined }
  const { env, secrets } = resolveValues(recipe, { env: given, set: { token: 't' } })
  expect(secrets).toEqual({ HF_TOKEN: 'hf_12345678' })
  expect(env).toMatchObject({
    STORE: 'file:///s',
    HF_TOKEN: 'hf_12345678',
    HOME: '/workspace/home',
    PATH: '/opt/bin:/bin',
  })
  expect(Object.keys(env)).not.toContain('UNSET')
  expect(env.ALL).not.toContain('hf_12345678')
})
