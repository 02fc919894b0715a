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
      excerpt: `1 | nmae: a\n  | ^^^^\n  | extended by ${directory}/recipe.yaml:1:10`,
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

test('a recipe removes, replaces and moves steps of its base, and puts its own between them', async () => {
  const recipe = await readFiles({
    'base.yaml': `
boot:
  - { id: a, run: a }
  - { id: b, run: b }
  - parallel: [{ id: c, run: c }, { id: d, run: d }]
  - { id: e, run: e }
`,
    'recipe.yaml': `
extends: base.yaml
boot:
  - { id: a, remove: true }
  - { id: b, after: e }
  - { id: c, remove: true }
  - { id: d, remove: true }
  - { id: new, run: new, before: e }
  - { id: last, run: last }
`,
  })
  const steps = recipe.pipelines.boot?.map(({ id, needs }) => ({ id, needs }))
  expect(steps).toEqual([
    { id: 'new', needs: [] },
    { id: 'e', needs: ['new'] },
    { id: 'b', needs: ['e'] },
    { id: 'last', needs: ['b'] },
  ])
})

async function problemsIn(files: Record<string, string>): Promise<string[]> {
  const error = await readFiles(files).catch((thrown: unknown) => thrown)
  if (!(error instanceof BerthError)) throw error
  return error.problems.map(
    ({ code, message, at }) =>
      `${path.relative(directory, at?.file ?? '')}:${at?.line}:${at?.column} ${code}: ${message}`,
  )
}

test('what a change names must be there', async () => {
  const found = await problemsIn({
    'base.yaml': 'boot: [{ id: volume, run: a }]\n',
    'recipe.yaml': `extends: base.yaml
boot:
  - { id: volum, remove: true }
  - { remove: true }
  - { id: volume, remove: true, run: x }
  - { id: x, run: x, before: nothing }
  - { id: y, run: y, before: x, after: x }
build:
  - { id: a, run: a, before: b }
  - { id: b, remove: true }
  - { id: c, run: c, remove: no }
`,
  })
  expect(found).toEqual([
    'recipe.yaml:3:7 recipe/unknown-step-id: could not remove `volum`: there is no such step below',
    'recipe.yaml:4:7 recipe/unknown-step-id: `remove` has no `id` of the step to remove',
    'recipe.yaml:5:33 recipe/misplaced-key: `run` cannot stand beside `remove`',
    'recipe.yaml:6:30 recipe/unknown-step-id: `before` names `nothing`, but there is no such step below',
    'recipe.yaml:7:33 recipe/misplaced-key: a step stands `before` another or `after` one',
    'recipe.yaml:9:22 recipe/misplaced-key: `before` has nothing that it could change: no recipe below has this pipeline',
    'recipe.yaml:10:14 recipe/misplaced-key: `remove` has nothing that it could change: no recipe below has this pipeline',
    'recipe.yaml:11:22 recipe/misplaced-key: `remove` has nothing that it could change: no recipe below has this pipeline',
    'recipe.yaml:11:30 recipe/bad-value: `remove` must be `true`, not the text `no`',
  ])
})

test('a step that is not below is told what is there, and not what stands beside it', async () => {
  const reading = readFiles({
    'base.yaml': 'boot: [{ id: volume, run: a }]\n',
    'recipe.yaml':
      'extends: base.yaml\nboot: [{ id: mine, run: x }, { id: other, remove: true }]\n',
  })
  await expect(reading).rejects.toMatchObject({ problems: [{ hint: 'use `volume`' }] })
})

test('of several bases the later lies on top, and one that both extend lies below both once', async () => {
  const recipe = await readFiles({
    'common.yaml': 'env: { A: common, B: common, C: common }\nboot: [{ run: common }]\n',
    'left.yaml': 'extends: common.yaml\nenv: { A: left, B: left }\nboot: [{ run: left }]\n',
    'right.yaml': 'extends: common.yaml\nenv: { B: right }\nboot: [{ run: right }]\n',
    'recipe.yaml': 'extends: [./left.yaml, right.yaml]\nboot: [{ run: own }]\n',
  })
  expect(recipe.env).toEqual({ A: 'left', B: 'right', C: 'common' })
  expect(recipe.pipelines.boot?.map(({ run }) => run)).toEqual(['common', 'left', 'right', 'own'])
  expect(Object.keys(recipe.texts).map((file) => path.basename(file))).toEqual([
    'recipe.yaml',
    'left.yaml',
    'common.yaml',
    'right.yaml',
  ])
})

test('a mistake far below says how the recipe came there', async () => {
  const error = await readFiles({
    'recipe.yaml': 'name: a\nextends: [middle.yaml]\n',
    'middle.yaml': 'extends: base.yaml\n',
    'base.yaml': 'boot:\n  - uses: nothing/here\n',
  }).catch((thrown: unknown) => thrown)
  const [problem] = (error as BerthError).problems
  expect(problem?.excerpt?.replaceAll(`${directory}/`, '')).toBe(`2 |   - uses: nothing/here
  |           ^^^^^^^^^^^^
  | extended by middle.yaml:1:10
  | extended by recipe.yaml:2:11`)
})

test('the texts of an earlier reading stand for the files', async () => {
  const files = { 'recipe.yaml': 'extends: base.yaml\n', 'base.yaml': 'boot: [{ run: a }]\n' }
  const { texts } = await readFiles(files)
  await writeFile(path.join(directory, 'base.yaml'), '{{{')
  const recipe = await readRecipe(path.join(directory, 'recipe.yaml'), testPlugins, { texts })
  expect(recipe.pipelines.boot).toMatchObject([{ run: 'a' }])
})

test('an overlay lies on top of everything, and none is nothing', async () => {
  const overlay = path.join(directory, 'overlay.yaml')
  await writeFile(path.join(directory, 'base.yaml'), 'boot: [{ id: a, run: a }]\n')
  const file = path.join(directory, 'recipe.yaml')
  await writeFile(file, 'extends: base.yaml\noverlay: "${{ vars.x }}/a.yaml"\nvars: { x: {} }\n')
  const without = await readRecipe(file, testPlugins, { overlay })
  expect(without).toMatchObject({ overlay: '${{ vars.x }}/a.yaml' })
  await writeFile(overlay, 'boot: [{ id: a, optional: true }, { run: b, before: a }]\n')
  const recipe = await readRecipe(file, testPlugins, { overlay })
  expect(recipe.pipelines.boot).toMatchObject([{ run: 'b' }, { run: 'a', optional: true }])
  expect(Object.keys(recipe.texts)).toContain(overlay)
  await writeFile(overlay, 'extends: base.yaml\nboot: [{ runn: c }]\n')
  await expect(readRecipe(file, testPlugins, { overlay })).rejects.toMatchObject({
    problems: [
      { code: 'recipe/misplaced-key', at: { file: overlay, line: 1, column: 1 } },
      { code: 'recipe/uses-or-run', at: { file: overlay, line: 2, column: 8 } },
      { code: 'recipe/unknown-key', at: { file: overlay, line: 2, column: 10 } },
    ],
  })
})

test('every value says where it was written and what it overrides', async () => {
  const recipe = await readFiles({
    'base.yaml': 'grace: 5s\nboot:\n  - id: a\n    run: a\n    env: { X: "1", Y: "1" }\n',
    'recipe.yaml': 'extends: base.yaml\ngrace: 6s\nboot:\n  - id: a\n    env: { X: "2" }\n',
  })
  const place = ({ file, line }: { file: string; line: number }) => `${path.basename(file)}:${line}`
  const origins = recipe
    .origins()
    .map(({ path: name, at, overrides }) => [name, ...[at, ...overrides].map(place)])
  expect(origins).toEqual([
    ['grace', 'recipe.yaml:2', 'base.yaml:1'],
    ['boot.a.id', 'recipe.yaml:4', 'base.yaml:3'],
    ['boot.a.run', 'base.yaml:4'],
    ['boot.a.env.X', 'recipe.yaml:5', 'base.yaml:5'],
    ['boot.a.env.Y', 'base.yaml:5'],
    ['extends', 'recipe.yaml:1'],
  ])
})
