import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { BerthError } from '../error.ts'
import { readRecipe } from '../recipe/check-recipe.ts'
import { resolveValues } from '../recipe/values.ts'
import { runPipeline } from '../run/run-pipeline.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const modules = `
import { z } from 'zod'
class BerthError extends Error {
  name = 'BerthError'
  code = 'gpu/cold'
  hint = 'warm it'
}
const step = (run) => ({
  description: 'Warms it.',
  inputs: z.strictObject({ seconds: z.int().min(1).describe('How long.') }),
  outputs: z.object({ device: z.string().describe('Which.') }),
  plan: () => ({ action: 'run', summary: 'warms' }),
  run,
})
export const gpu = {
  name: 'gpu',
  description: 'The GPU.',
  steps: {
    warm: step(async ({ inputs }) => ({ result: 'done', facts: { device: 'gpu' + inputs.seconds } })),
    cold: step(async () => { throw new BerthError('it is cold') }),
  },
}
`

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await temporaryDirectory()
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
  const zod = path.dirname(fileURLToPath(import.meta.resolve('zod/package.json')))
  await symlink(zod, path.join(folder, 'node_modules/zod'))
  return folder
}

const manifest = (type: string) =>
  JSON.stringify({ name: '@acme/gpu', version: '1.0.0', type, exports: './index.js' })

function installed(recipe: string, code: string, type = 'module'): Promise<string> {
  return folderWith({
    'recipe.yaml': recipe,
    'node_modules/@acme/gpu/package.json': manifest(type),
    'node_modules/@acme/gpu/index.js': code,
  })
}

async function problemsIn(folder: string): Promise<string[]> {
  const error = await readRecipe(path.join(folder, 'recipe.yaml'), {}).catch(
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof BerthError)) throw error
  return error.problems.map(({ code, message, at }) =>
    `${at?.line}:${at?.column} ${code}: ${message}`.replaceAll(folder, '.'),
  )
}

async function boot(folder: string) {
  const recipe = await readRecipe(path.join(folder, 'recipe.yaml'), {})
  return runPipeline({
    recipe,
    pipeline: 'boot',
    values: resolveValues(recipe, { env: { PATH: process.env.PATH }, set: {} }),
    platform: {},
    emit: () => {},
    signal: new AbortController().signal,
    stateDirectory: path.join(folder, 'state'),
  })
}

const recipe = `
boot:
  - { id: a, uses: "@acme/gpu/warm", with: { seconds: 3 } }
  - { id: b, run: 'test "\${{ steps.a.outputs.device }}" = gpu3' }
  - { id: c, uses: "@acme/gpu/cold", with: { seconds: 3 }, optional: true }
`

test.each([
  ['ES modules', modules, 'module'],
  [
    'CommonJS',
    modules
      .replace("import { z } from 'zod'", "const { z } = require('zod')")
      .replace('export const gpu', 'module.exports'),
    'commonjs',
  ],
])(
  'a step of an installed package of %s is used from the folder of the recipe',
  async (_, code, type) => {
    const { result, steps } = await boot(await installed(recipe, code, type))
    expect(steps).toMatchObject({
      a: { result: 'done', facts: { device: 'gpu3' } },
      b: { result: 'done' },
      c: { result: 'failed', error: { code: 'gpu/cold', message: 'it is cold', hint: 'warm it' } },
    })
    expect(result).toBe('degraded')
  },
)

test('its inputs and outputs are checked before anything runs', async () => {
  const folder = await installed(
    `boot:
  - { id: a, uses: "@acme/gpu/warm", with: { seconds: x, mroe: 1 } }
  - { run: "echo \${{ steps.a.outputs.devise }}" }
  - uses: "@acme/gpu/wram"
  - uses: "@acme/gpu"
  - uses: "@acme/other/step"
`,
    modules,
  )
  expect(await problemsIn(folder)).toEqual([
    '2:55 recipe/wrong-type: `seconds` must be a number, not the text `x`',
    '2:58 recipe/unknown-input: `@acme/gpu/warm` has no input `mroe`',
    '3:38 recipe/unknown-output: the step `a` has no output `devise`',
    '4:11 recipe/unknown-step: the plugin `@acme/gpu` has no step `wram`',
    '5:11 recipe/unknown-step: `@acme/gpu` is a plugin, not a step',
    '6:11 recipe/unknown-plugin: could not find the package `@acme/other` from .',
  ])
})

test.each([
  [
    'throws',
    'throw new Error("no GPU here")',
    /^1:16 recipe\/broken-plugin: could not load .*: no GPU here$/,
  ],
  ['exports none', 'export const x = 5', /exports no plugin$/],
  [
    'has a step without a schema',
    'export const p = { name: "p", steps: { a: {} } }',
    /exports no plugin$/,
  ],
])('a package that %s is refused with its file', async (_, code, expected) => {
  const folder = await installed('boot: [{ uses: "@acme/gpu/warm" }]\n', code)
  const [problem, ...more] = await problemsIn(folder)
  expect(problem).toMatch(expected)
  expect(problem).toContain('node_modules/@acme/gpu/index.js')
  expect(more).toEqual([])
})
