import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { BerthError } from '../error.ts'
import type { NewEvent } from '../event.ts'
import { runPipeline } from '../run/run-pipeline.ts'
import { undoAll } from '../run/undo.ts'
import { planPipeline } from '../run/plan-pipeline.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { testPlugins } from '../test-plugins.ts'
import { readRecipe } from './check-recipe.ts'
import { resolveValues } from './values.ts'

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await temporaryDirectory()
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
  return folder
}

async function problemsIn(files: Record<string, string>): Promise<string[]> {
  const folder = await folderWith(files)
  try {
    await readRecipe(path.join(folder, 'recipe.yaml'), testPlugins)
    return []
  } catch (error) {
    if (!(error instanceof BerthError)) throw error
    return error.problems.map(({ code, message, at }) => {
      const place = `${path.basename(at?.file ?? '')}:${at?.line}:${at?.column}`
      return `${place} ${code}: ${message.replaceAll(folder, '.')}`
    })
  }
}

interface Ran {
  folder: string
  events: NewEvent[]
  log: () => Promise<string[]>
  run: (pipeline?: 'boot' | 'shutdown') => ReturnType<typeof runPipeline>
  undo: () => ReturnType<typeof undoAll>
  plan: () => ReturnType<typeof planPipeline>
}

async function prepare(files: Record<string, string>, env: Record<string, string> = {}) {
  const folder = await folderWith(files)
  const recipe = await readRecipe(path.join(folder, 'recipe.yaml'), testPlugins)
  const events: NewEvent[] = []
  const logFile = path.join(folder, 'log')
  const full = { PATH: process.env.PATH ?? '', LOG: logFile, ...env }
  const values = resolveValues(recipe, { env: full, set: {} })
  const options = {
    recipe,
    values,
    platform: {},
    workingDirectory: folder,
    stateDirectory: path.join(folder, 'state'),
    emit: (event: NewEvent) => void events.push(event),
    signal: new AbortController().signal,
  }
  const ran: Ran = {
    folder,
    events,
    log: async () =>
      (await readFile(logFile, 'utf8').catch(() => '')).split('\n').filter((line) => line !== ''),
    run: (pipeline = 'boot') => runPipeline({ ...options, pipeline }),
    undo: () => undoAll(options),
    plan: () => planPipeline({ ...options, pipeline: 'boot' }),
  }
  return ran
}

const warm = `
name: warm-gpu
description: Warms the GPU up.
requires: [sh]
inputs:
  seconds: { type: integer, default: 5, minimum: 1, description: How long. }
  model-name: { type: string, required: true, description: Which model. }
  layers: { type: array, items: { type: string }, description: Which layers. }
outputs:
  device: { description: Which device. }
  free: { type: number, description: How many bytes are free. }
check: test -e warm
run: sh "$BERTH_PLUGIN/warm.sh" "$INPUT_SECONDS"
undo: echo "cool $INPUT_MODEL_NAME \${{ steps.run.outputs.device }}" >> "$LOG"; rm -f warm
`
const warmScript = `
echo "warm $1 $INPUT_MODEL_NAME $INPUT_LAYERS" >> "$LOG"
touch warm
echo device=gpu0 >> "$BERTH_OUTPUT"
echo free=2.5 >> "$BERTH_OUTPUT"
`
const warmRecipe = `
secrets: [TOKEN]
vars: { model: { default: flux } }
boot:
  - id: warm
    uses: ./plugins/warm-gpu
    with: { model-name: "\${{ vars.model }}", layers: [a, b] }
  - run: echo "got \${{ steps.warm.outputs.device }} \${{ steps.warm.outputs.free + 0 == 2.5 }}" >> "$LOG"
`
const files = {
  'recipe.yaml': warmRecipe.replace('free + 0 == 2.5', 'free == 2.5'),
  'plugins/warm-gpu/plugin.yaml': warm,
  'plugins/warm-gpu/warm.sh': warmScript,
}

test('a folder is a step: typed inputs and outputs, planned, twice the same as once, undone once', async () => {
  const { run, plan, undo, log } = await prepare(files)
  expect(await plan()).toMatchObject([{ action: 'run' }, { action: 'unknown' }])
  const first = await run()
  expect(first.steps.warm).toMatchObject({ result: 'done', facts: { device: 'gpu0', free: 2.5 } })
  expect(await log()).toEqual(['warm 5 flux ["a","b"]', 'got gpu0 true'])
  expect(await plan()).toMatchObject([{ action: 'unchanged' }, { action: 'unknown' }])
  expect((await run()).steps.warm).toMatchObject({ result: 'unchanged' })
  expect(await undo()).toMatchObject({
    result: 'ready',
    undone: [{ step: 'warm', result: 'done' }],
  })
  expect((await log()).slice(-1)).toEqual(['cool flux gpu0'])
  expect(await undo()).toMatchObject({ undone: [] })
  expect(await log()).toHaveLength(4)
})

test('every mistake in a plugin and in its use has its own place', async () => {
  expect(
    await problemsIn({
      'recipe.yaml': `
boot:
  - uses: ./plugins/warm-gpu
    with: { seconds: "5", model-nmae: x }
  - uses: ./nowhere
  - uses: ./broken
`,
      'plugins/warm-gpu/plugin.yaml': warm,
      'broken/plugin.yaml': `
nmae: broken
inputs:
  a: { type: strnig }
  b: { type: integer, default: x }
  c: { type: boolean, minLength: 3 }
run: echo \${{ inputs.d }} \${{ vars.x }}
steps: [{ run: x }]
`,
    }),
  ).toEqual([
    'recipe.yaml:4:22 recipe/wrong-type: `seconds` must be a number, not the text `5`',
    'recipe.yaml:4:27 recipe/unknown-input: `./plugins/warm-gpu` has no input `model-nmae`',
    'recipe.yaml:5:11 recipe/unknown-plugin: there is no plugin `./nowhere`: ./nowhere/plugin.yaml does not exist',
    'plugin.yaml:2:1 recipe/missing-key: a plugin needs the key `description`',
    'plugin.yaml:2:1 recipe/unknown-key: a plugin has no key `nmae`',
    'plugin.yaml:4:14 recipe/bad-value: `type` must be one of `string`, `integer`, `number`, `boolean`, `array`, `object`, not the text `strnig`',
    'plugin.yaml:5:32 recipe/bad-value: the default is not a value that the input may have',
    'plugin.yaml:6:34 recipe/misplaced-key: `minLength` does not belong to an input of the type `boolean`',
    'plugin.yaml:7:1 recipe/uses-or-run: the plugin has both `run` and `steps`',
  ])
})

test('the steps of a plugin run one after another: what would order them otherwise is refused', async () => {
  const files = {
    'recipe.yaml': 'boot: [{ uses: ./both }]',
    'both/plugin.yaml': `
name: both
description: Does two things.
steps:
  - { id: one, run: a }
  - { id: two, run: b, needs: [] }
  - { id: three, run: c, needs: [one] }
  - { id: four, parallel: [{ run: d }, { run: e }] }
`,
  }
  const folder = await folderWith(files)
  const place = {
    code: 'recipe/misplaced-key',
    hint: expect.stringMatching(/run one after another/),
  }
  await expect(readRecipe(path.join(folder, 'recipe.yaml'), testPlugins)).rejects.toMatchObject({
    problems: [
      { ...place, message: '`needs` cannot stand in a step of a plugin', at: { line: 6 } },
      { ...place, message: '`needs` cannot stand in a step of a plugin', at: { line: 7 } },
      { ...place, message: '`parallel` cannot stand in a step of a plugin', at: { line: 8 } },
    ],
  })
})

test('a plugin of several steps hands its inputs on, and its outputs back', async () => {
  const { run, undo, log, events } = await prepare(
    {
      'recipe.yaml': `
secrets: [TOKEN]
boot:
  - id: both
    uses: ./plugins/both
    with: { word: hello, dry: false }
    secrets: [TOKEN]
  - run: echo "out \${{ steps.both.outputs.last }}" >> "$LOG"
`,
      'plugins/both/plugin.yaml': `
name: both
description: Does two things.
secrets: [TOKEN]
inputs:
  word: { type: string, required: true }
  dry: { type: boolean, default: true }
outputs:
  last: { value: "\${{ steps.two.outputs.said }}!" }
steps:
  - id: one
    uses: ../say
    with: { text: "\${{ inputs.word }} one" }
  - id: never
    if: inputs.dry
    run: exit 1
  - id: two
    run: |
      echo "two $INPUT_WORD $MORE" >> "$LOG"
      echo "token $TOKEN"
      echo "said=\${{ inputs.word }}" >> "$BERTH_OUTPUT"
    env: { MORE: "\${{ steps.one.outputs.length }}" }
    outputs: [said]
    undo: echo "undo two \${{ steps.two.outputs.said }}" >> "$LOG"
`,
      'plugins/say/plugin.yaml': `
name: say
description: Says it.
inputs: { text: { type: string, required: true, minLength: 2 } }
outputs: { length: { type: integer } }
run: |
  echo "say $INPUT_TEXT" >> "$LOG"
  echo "length=\${#INPUT_TEXT}" >> "$BERTH_OUTPUT"
undo: echo "unsay $INPUT_TEXT \${{ steps.run.outputs.length }}" >> "$LOG"
`,
    },
    { TOKEN: 'a-long-secret' },
  )
  const { steps } = await run()
  expect(steps.both).toMatchObject({ result: 'done', facts: { last: 'hello!' } })
  expect(await log()).toEqual(['say hello one', 'two hello 9', 'out hello!'])
  expect(JSON.stringify(events)).not.toContain('a-long-secret')
  expect(JSON.stringify(events)).toContain('token [secret]')
  await undo()
  expect((await log()).slice(3)).toEqual(['undo two hello', 'unsay hello one 9'])
  await undo()
  expect(await log()).toHaveLength(5)
})

test('the steps of a plugin see its inputs and each other, and nothing of the recipe', async () => {
  const recipe = `
vars: { x: {} }
secrets: [S]
boot: [{ uses: ./p }]
`
  const plugin = `
name: p
description: Does it.
inputs: { word: { type: string } }
outputs: { a: { value: "\${{ steps.nothing.outputs.b }}" } }
steps:
  - id: one
    run: echo "\${{ inputs.wrod }} \${{ vars.x }} \${{ secrets.S }}"
    timeout: 5s
    optional: true
  - uses: network-volume/detect
    working-directory: /x
    with: { candidates: ["\${{ inputs.word }}", 5] }
  - uses: ../p
  - run: x
    undo: echo "\${{ steps.one.outputs.x }}"
    if: steps.two.result
`
  expect(await problemsIn({ 'recipe.yaml': recipe, 'p/plugin.yaml': plugin })).toEqual([
    'plugin.yaml:5:35 recipe/unknown-step-id: there is no step `nothing`',
    'plugin.yaml:8:27 recipe/unknown-input: the plugin declares no input `wrod`',
    'plugin.yaml:8:39 recipe/unavailable: `vars` has no value in `run` of the step `one`',
    'plugin.yaml:8:53 recipe/secret-in-command: the secret `S` in `run` of the step `one` would be visible to every process',
    'plugin.yaml:9:5 recipe/misplaced-key: `timeout` cannot stand in a step of a plugin',
    'plugin.yaml:10:5 recipe/misplaced-key: `optional` cannot stand in a step of a plugin',
    'plugin.yaml:12:5 recipe/misplaced-key: `working-directory` cannot stand in a step of a plugin',
    'plugin.yaml:13:48 recipe/wrong-type: `candidates[1]` must be text, not the number 5',
    'plugin.yaml:14:11 recipe/extends-circle: `../p` uses itself, directly or through others',
    'plugin.yaml:16:27 recipe/not-ended: the step `one` of `boot` has not ended by then',
    'plugin.yaml:17:15 recipe/unknown-step-id: there is no step `two`',
  ])
})

test('a plugin is found from the file that uses it, and its texts are kept with the recipe', async () => {
  const folder = await folderWith({
    'recipe.yaml': 'extends: bases/base.yaml\n',
    'bases/base.yaml': 'boot: [{ uses: ./p }]\n',
    'bases/p/plugin.yaml': 'name: p\ndescription: Does it.\nrun: echo "p" >> "$LOG"\n',
  })
  const file = path.join(folder, 'recipe.yaml')
  const { texts } = await readRecipe(file, testPlugins)
  await writeFile(path.join(folder, 'bases/p/plugin.yaml'), '{{{')
  const recipe = await readRecipe(file, testPlugins, { texts })
  expect(recipe.pipelines.boot).toMatchObject([{ id: 'p', uses: { name: './p' } }])
})

test('what a plugin requires must be in PATH', async () => {
  const { run } = await prepare({
    'recipe.yaml': 'boot: [{ id: a, uses: ./p }]\n',
    'p/plugin.yaml':
      'name: p\ndescription: Does it.\nrequires: [sh, no-such-program]\nrun: exit 5\n',
  })
  expect((await run()).steps.a).toMatchObject({
    result: 'failed',
    error: {
      code: 'core/missing-command',
      message: 'could not run `./p`: `no-such-program` is not in PATH',
    },
  })
})

test.each([
  [
    'echo x=5 >> "$BERTH_OUTPUT"',
    'could not take the output `x` of `./p`: it declares no such output',
  ],
  [
    'echo n=5.5 >> "$BERTH_OUTPUT"',
    'could not take the output `n` of `./p`: it must be of the type `integer`',
  ],
  [
    'echo b=yes >> "$BERTH_OUTPUT"',
    'could not take the output `b` of `./p`: it must be of the type `boolean`',
  ],
])('outputs have the types that the plugin declares: %s', async (script, message) => {
  const { run } = await prepare({
    'recipe.yaml': 'boot: [{ id: a, uses: ./p }]\n',
    'p/plugin.yaml': `
name: p
description: Does it.
outputs: { n: { type: integer }, b: { type: boolean } }
run: ${script}
`,
  })
  const error = { code: 'core/bad-output', message }
  expect((await run()).steps.a).toMatchObject({ result: 'failed', error })
})

test('a plugin that fails half-way is taken back, with what it had found by then', async () => {
  const { run, undo, log } = await prepare({
    'recipe.yaml': 'boot: [{ id: a, uses: ./p }]\n',
    'p/plugin.yaml': `
name: p
description: Does it.
outputs: { pid: {} }
run: echo pid=7 >> "$BERTH_OUTPUT"; exit 3
undo: echo "kill \${{ steps.run.outputs.pid }}" >> "$LOG"
`,
  })
  expect((await run()).result).toBe('failed')
  await undo()
  await undo()
  expect(await log()).toEqual(['kill 7'])
})
