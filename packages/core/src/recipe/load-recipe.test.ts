import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readRecipe } from './check-recipe.ts'
import { BerthError } from '../error.ts'
import { testPlugins } from '../test-plugins.ts'

let directory = ''

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-extends-'))
})

afterEach(() => rm(directory, { recursive: true }))

async function readFiles(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(directory, name)), { recursive: true })
    await writeFile(path.join(directory, name), text)
  }
  return readRecipe(path.join(directory, 'recipe.yaml'), testPlugins)
}

const base = `
name: base
vars: { pod: { env: POD, default: /w }, store: { required: true } }
secrets: [A]
grace: 30s
boot:
  - id: volume
    uses: network-volume/detect
    timeout: 5s
    with: { candidates: [/a] }
  - parallel:
      - id: left
        run: left
      - id: right
        run: right
  - run: last of the base
`

test('a recipe changes the steps of its base by id and adds its own behind them', async () => {
  const recipe = await readFiles({
    'bases/base.yaml': base,
    'recipe.yaml': `
extends: ./bases/base.yaml
vars: { pod: { default: /other } }
secrets: [B]
boot:
  - id: right
    uses: network-volume/detect
  - id: volume
    with: { candidates: [/b] }
    optional: true
  - run: own
`,
  })
  expect(recipe).toMatchObject({
    name: 'base',
    directory,
    graceMs: 30_000,
    secrets: ['A', 'B'],
    vars: { pod: { env: 'POD', default: '/other' }, store: { required: true } },
  })
  expect(recipe.pipelines.boot).toMatchObject([
    { id: 'volume', inputs: { candidates: ['/b'] }, timeoutMs: 5000, optional: true, needs: [] },
    { id: 'left', run: 'left', needs: ['volume'] },
    { id: 'right', run: undefined, uses: { name: 'network-volume/detect' }, needs: ['volume'] },
    { id: 'run', run: 'last of the base', needs: ['left', 'right'] },
    { id: 'run-2', run: 'own', needs: ['run'] },
  ])
})

test('mistakes show the file that they are in, the recipe itself first', async () => {
  const result = readFiles({
    'recipe.yaml': 'extends: base.yaml\nboot:\n  - uses: nothing/here\n',
    'base.yaml': 'nmae: a\n',
  })
  const error = await result.catch((thrown: unknown) => thrown as BerthError)
  expect(error).toBeInstanceOf(BerthError)
  expect((error as BerthError).problems).toMatchObject([
    { code: 'recipe/unknown-plugin', at: { file: path.join(directory, 'recipe.yaml'), line: 3 } },
    {
      code: 'recipe/unknown-key',
      at: { file: path.join(directory, 'base.yaml'), line: 1 },
      excerpt: '1 | nmae: a\n  | ^^^^',
    },
  ])
})

test('recipes that extend each other are refused', async () => {
  const result = readFiles({
    'recipe.yaml': 'extends: base.yaml\n',
    'base.yaml': 'extends: ./recipe.yaml\n',
  })
  await expect(result).rejects.toMatchObject({
    problems: [
      {
        code: 'recipe/extends-circle',
        at: { file: path.join(directory, 'base.yaml'), line: 1, column: 10 },
      },
    ],
  })
})
