import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { checkRecipe, readRecipe } from './check-recipe.ts'
import { BerthError } from '../error.ts'
import { goodRecipe, problemsOf, testPlugins } from '../test-plugins.ts'

const table = readFileSync(new URL('mistakes.md', import.meta.url), 'utf8')
const cases = table
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const [wrong = '', problems = '', right = ''] = [
      ...section.matchAll(/^```[a-z ]+\n(.*?)^```$/gms),
    ].map(([, block]) => block)
    return { title: section.split('\n', 1)[0] ?? '', wrong, problems, right }
  })

test('the table of mistakes is read whole', () => {
  expect(cases.length).toBeGreaterThanOrEqual(100)
  expect(cases.every(({ wrong, problems, right }) => wrong && problems && right)).toBe(true)
})

test.each(cases)('refuses a recipe with its place: $title', async ({ wrong, problems }) => {
  expect((await problemsOf(wrong)).map(report).join('\n')).toBe(problems)
})

test.each(cases)('accepts the twin of: $title', async ({ right }) => {
  expect(await problemsOf(right)).toEqual([])
})

function report({ at, code, message, excerpt, hint }: BerthError): string {
  const cure = hint === undefined ? '' : `To fix: ${hint}\n`
  const text = `${at?.line}:${at?.column} ${code}: ${message}\n${excerpt}\n${cure}`
  return text.replaceAll(process.cwd(), '$PWD')
}

test('one mistake is still one error that holds one problem', async () => {
  const error = await checkRecipe('nmae: x\n', { file: 'r.yaml', plugins: {} }).catch(
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(BerthError)
  expect(error).toMatchObject({
    code: 'recipe/invalid',
    message: 'the recipe `r.yaml` has a problem',
    problems: [{ code: 'recipe/unknown-key', at: { file: 'r.yaml', line: 1, column: 1 } }],
  })
})

test('a sound recipe has its defaults filled in and its order resolved', async () => {
  const recipe = await goodRecipe(`
vars: { pod: { env: POD, default: /w } }
secrets: [S]
defaults: { timeout: 1m, env: { A: a, B: b }, shell: sh, retry: { attempts: 3, max: 9s } }
boot:
  - id: volume
    uses: network-volume/detect
  - parallel:
      - id: left
        run: |
          echo one
          echo two
        env: { B: c }
        outputs: [x]
      - run: echo right
        retry: { attempts: 2 }
        timeout: 5s
  - name: The end
    run: x
    if: \${{ always() }}
shutdown:
  - uses: network-volume/detect
    every: 2m
    secrets: [S]
grace: 20s
main: { command: [app] }
`)
  expect(recipe).toMatchObject({
    file: 'recipe.yaml',
    directory: process.cwd(),
    name: 'recipe',
    vars: { pod: { env: 'POD', default: '/w', required: false, at: { line: 2, column: 9 } } },
    secrets: ['S'],
    graceMs: 20_000,
    onBootFailure: 'exit',
    main: { command: ['app'], env: {}, stopSignal: 'SIGTERM' },
  })
  expect(recipe.pipelines.build).toBeUndefined()
  const [volume, left, right, end] = recipe.pipelines.boot ?? []
  expect(volume).toMatchObject({
    id: 'volume',
    name: 'volume',
    needs: [],
    inputs: {},
    run: undefined,
  })
  expect(volume?.outputs).toEqual(['present', 'path'])
  expect(left).toMatchObject({
    needs: ['volume'],
    env: { A: 'a', B: 'c' },
    shell: 'sh',
    outputs: ['x'],
    timeoutMs: 60_000,
    retry: { attempts: 3, initialMs: 1000, maxMs: 9000 },
  })
  expect(right).toMatchObject({
    id: 'run',
    name: 'echo right',
    needs: ['volume'],
    timeoutMs: 5000,
    retry: { attempts: 2, initialMs: 1000, maxMs: 9000 },
  })
  expect(end).toMatchObject({
    id: 'run-2',
    name: 'The end',
    needs: ['left', 'run'],
    if: 'always()',
  })
  expect(recipe.pipelines.shutdown).toMatchObject([
    { id: 'network-volume-detect', everyMs: 120_000, needs: [], secrets: ['S'] },
  ])
})

test('an empty pipeline is a pipeline without steps', async () => {
  const recipe = await goodRecipe('boot: []\nshutdown:\n')
  expect(recipe.pipelines).toEqual({ boot: [], shutdown: [] })
})

test('a step of the shutdown may use outputs of the boot', async () => {
  const text = `
boot: [{ id: volume, uses: network-volume/detect }]
shutdown: [{ run: "echo \${{ steps.volume.outputs.path }}" }]
main: { command: [app, "\${{ steps.volume.outputs.path }}"] }
`
  expect(await problemsOf(text)).toEqual([])
})

test('an expression counts as any type until the step runs, a text with one counts as text', async () => {
  const recipe = (inputs: string) => `
vars: { a: {} }
boot: [{ uses: restore/shared, with: { to: /w, directories: [a], ${inputs} } }]
`
  expect(await problemsOf(recipe('jobs: "${{ vars.a }}"'))).toEqual([])
  expect(await problemsOf(recipe('existing: "${{ vars.a }}"'))).toEqual([])
  expect(await problemsOf(recipe('store: "${{ vars.a }}/x"'))).toEqual([])
  expect(await problemsOf(recipe('wait: "${{ vars.a }}"'))).toEqual([])
  expect(await problemsOf(recipe('jobs: "1${{ vars.a }}"'))).toMatchObject([
    { code: 'recipe/wrong-type', at: { line: 3, column: 72 } },
  ])
  const inUnion = '{ path: a, optional: "${{ vars.a }}" }'
  expect(await problemsOf(recipe('jobs: 1').replace('[a]', `[${inUnion}]`))).toEqual([])
})

test('the environment is never read', async () => {
  process.env.BERTH_TEST_STORE = 'no URL at all'
  const text = `
vars: { store: { env: BERTH_TEST_STORE, required: true } }
boot:
  - uses: restore/shared
    with: { to: /w, directories: [a], store: "\${{ vars.store }}" }
`
  expect(await problemsOf(text)).toEqual([])
  delete process.env.BERTH_TEST_STORE
})

test('only the plugins that the recipe names are loaded', async () => {
  const plugins = {
    ...testPlugins,
    restore: () => Promise.reject(new Error('the plugin was loaded')),
  }
  const text = 'boot: [{ uses: network-volume/detect }]\n'
  await expect(checkRecipe(text, { file: 'r.yaml', plugins })).resolves.toBeDefined()
})

test('a step shows where its inputs were written, or should have been', async () => {
  const recipe = await goodRecipe(`boot:
  - uses: network-volume/detect
    with:
      candidates:
        - /a
`)
  const [step] = recipe.pipelines.boot ?? []
  const place = (keys: (string | number)[]) => step?.positionOf(keys)
  expect(place(['with', 'candidates', 0])).toEqual({ file: 'recipe.yaml', line: 5, column: 11 })
  expect(place(['with', 'candidates', 3])).toEqual({ file: 'recipe.yaml', line: 4, column: 7 })
  expect(place(['with', 'other'])).toEqual({ file: 'recipe.yaml', line: 3, column: 5 })
  expect(place([])).toEqual({ file: 'recipe.yaml', line: 2, column: 5 })
})

test('a file that is missing, a directory, or not text is refused by name', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-recipe-'))
  const binary = path.join(directory, 'binary.yaml')
  await writeFile(binary, Buffer.from([0xff, 0xfe, 0x00, 0xd8]))
  await expect(readRecipe(path.join(directory, 'no.yaml'), {})).rejects.toMatchObject({
    code: 'recipe/not-found',
    message: `there is no recipe \`${directory}/no.yaml\``,
  })
  await expect(readRecipe(directory, {})).rejects.toMatchObject({
    code: 'recipe/unreadable',
    message: `could not read the recipe \`${directory}\`: it is a directory`,
  })
  await expect(readRecipe(binary, {})).rejects.toMatchObject({
    code: 'recipe/unreadable',
    message: `could not read the recipe \`${binary}\`: it is not UTF-8 text`,
  })
  await rm(directory, { recursive: true })
})
