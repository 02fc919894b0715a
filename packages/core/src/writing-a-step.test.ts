import { existsSync, readFileSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  definePlugin,
  defineStep,
  done,
  skipped,
  type StepDefinition,
  unchanged,
  z,
} from './index.ts'
import { readTree, runStep, temporaryDirectory, testPlugin } from './testing.ts'
import { expect, test } from 'vitest'

async function read(file: string): Promise<string | undefined> {
  return existsSync(file) ? readFile(file, 'utf8') : undefined
}

export const hello = definePlugin({
  name: 'hello',
  description: 'Greets.',
  steps: {
    greet: defineStep({
      description: 'Writes a greeting into a file.',
      inputs: z.strictObject({ name: z.string().min(1).describe('Whom to greet.') }),
      outputs: z.strictObject({ file: z.string().describe('The file with the greeting.') }),
      plan: async ({ inputs, workingDirectory }) => {
        const file = join(workingDirectory, 'greeting')
        const found = await read(file)
        if (found === undefined) return { action: 'run', summary: `greets ${inputs.name}` }
        const action = found === `hello ${inputs.name}` ? 'unchanged' : 'skipped'
        return { action, summary: 'a greeting is there', facts: { file } }
      },
      run: async ({ inputs, log, signal, willUndo, workingDirectory }) => {
        const file = join(workingDirectory, 'greeting')
        const text = `hello ${inputs.name}`
        const found = await read(file)
        if (found === text) return unchanged('it is there', { file })
        if (found !== undefined) return skipped('another greeting is there')
        await willUndo(file)
        signal.throwIfAborted()
        await writeFile(`${file}.tmp`, text)
        await rename(`${file}.tmp`, file)
        log(`greeted ${inputs.name}`)
        return done({ file })
      },
      undo: ({ data }) => rm(String(data), { force: true }),
    }),
  },
})

testPlugin(hello, {
  greet: {
    prepare: () => ({ inputs: { name: 'pod' } }),
    first: 'done',
    bad: { 'an empty name': { name: '' }, 'an unknown input': { nmae: 'pod' } },
  },
})

test('the step that the README writes takes back its own greeting and nobody else’s', async () => {
  const directory = await temporaryDirectory()
  const greet = hello.steps['greet'] as StepDefinition
  const run = await runStep(greet, { name: 'pod' }, { workingDirectory: directory })
  expect(Object.keys(await readTree(directory))).toEqual(['greeting'])
  await run.undo()
  expect(await readTree(directory)).toEqual({})

  await writeFile(join(directory, 'greeting'), 'mine')
  const other = await runStep(greet, { name: 'pod' }, { workingDirectory: directory })
  expect(other.outcome).toMatchObject({ result: 'skipped' })
  await other.undo()
  expect(Object.keys(await readTree(directory))).toEqual(['greeting'])
})

test('the README writes the step that is tested here', () => {
  const [own, readme] = ['writing-a-step.test.ts', '../README.md'].map((file) =>
    readFileSync(new URL(file, import.meta.url), 'utf8'),
  )
  const [, section = ''] = /^## Writing a step$([^]*?)^## /m.exec(readme ?? '') ?? []
  const blocks = [...section.matchAll(/^```ts\n(?:import .*\n)*\n([^]*?)^```$/gm)]
  expect(blocks).toHaveLength(2)
  for (const [, code = ''] of blocks) expect(own).toContain(code)
})
