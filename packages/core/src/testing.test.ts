import { access, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { BerthError } from './error.ts'
import { judgeRequirement } from './testing/requirement.ts'
import { done, unchanged } from './plugin/outcome.ts'
import { definePlugin, defineStep } from './plugin/plugin.ts'
import {
  planStep,
  readTree,
  requirement,
  runStep,
  temporaryDirectory,
  testPlugin,
} from './testing.ts'

const greeting = definePlugin({
  name: 'greeting',
  description: 'Writes a greeting.',
  steps: {
    write: defineStep({
      description: 'Writes a greeting into a file.',
      inputs: z.strictObject({
        name: z.string().describe('Whom to greet.'),
        pauseMs: z.number().default(0).describe('How long to think before writing.'),
      }),
      outputs: z.object({ file: z.string() }),
      reads: ['TEST_TOKEN'],
      plan: ({ inputs }) => ({ action: 'run', summary: `would greet ${inputs.name}` }),
      run: async ({ inputs, env, log, signal, workingDirectory }) => {
        if (inputs.name === '')
          throw new BerthError('greeting/nobody', 'could not greet: the name is empty')
        const file = join(workingDirectory, 'greeting')
        const text = `hello ${inputs.name}`
        if ((await readFile(file, 'utf8').catch(() => '')) === text)
          return unchanged('it is there', { file })
        log(`with the token ${env.TEST_TOKEN}`)
        await sleep(inputs.pauseMs, undefined, { signal })
        await writeFile(`${file}.tmp`, text)
        await rename(`${file}.tmp`, file)
        return done({ file })
      },
    }),
  },
})
const write = greeting.steps.write as NonNullable<typeof greeting.steps.write>

testPlugin(greeting, {
  write: {
    prepare: () => ({
      inputs: { name: 'pod', pauseMs: 20 },
      secrets: { TEST_TOKEN: 'abcdefgh123' },
    }),
    bad: {
      'an empty name': { name: '' },
      'an unknown input': { nmae: 'pod' },
      'a number': { name: 3 },
    },
  },
})

test('runs one step with its events, outputs and secrets', async () => {
  const directory = await temporaryDirectory()
  const secrets = { TEST_TOKEN: 'abcdefgh123' }
  const run = await runStep(write, { name: 'pod' }, { workingDirectory: directory, secrets })
  expect(run.outcome).toEqual({ result: 'done', facts: { file: join(directory, 'greeting') } })
  expect(run.outputs).toEqual({ file: join(directory, 'greeting') })
  expect(run.events).toContainEqual({
    type: 'step:log',
    step: 'step',
    level: 'info',
    text: 'with the token [secret]',
  })
  expect(await planStep(write, { name: 'pod' })).toMatchObject({
    action: 'run',
    summary: 'would greet pod',
  })
})

test('reads a tree with what makes two of them equal', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'file'), 'text', { mode: 0o640 })
  expect(await readTree(directory)).toEqual({
    file: 'file 640 4 bytes 982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1',
  })
  const before = await readTree(directory, { exact: true })
  await writeFile(join(directory, 'file'), 'text')
  expect(await readTree(directory, { exact: true })).not.toEqual(before)
})

let removed = ''
test('makes a directory that lives as long as the test', async () => {
  removed = await temporaryDirectory()
  await access(removed)
  expect(await readTree(removed)).toEqual({})
})
test('has removed the directory of the test before', async () => {
  await expect(access(removed)).rejects.toThrow('ENOENT')
})

requirement('nothing', true)('runs a test whose requirement is there', () => {
  expect(process.env.NO_SUCH_VARIABLE).toBeUndefined()
})

test('skips what is missing with its reason, and fails where it is required', () => {
  expect(judgeRequirement('s3', true, 's3')).toEqual({ act: 'run' })
  expect(judgeRequirement('s3', false, undefined)).toEqual({
    act: 'skip',
    reason: 's3 is not available',
  })
  expect(judgeRequirement('s3', 'no server', 'python,s3x')).toEqual({
    act: 'skip',
    reason: 's3: no server',
  })
  expect(judgeRequirement('s3', 'no server', 'python, s3')).toEqual({
    act: 'fail',
    reason: 's3: no server, and BERTH_TEST_REQUIRE names it',
  })
})
