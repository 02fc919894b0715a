import {
  checkRecipe,
  definePlugin,
  defineStep,
  done,
  type NewEvent,
  openJournal,
  resolveValues,
  z,
} from '@berth/core'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, test } from 'vitest'
import { MovableDeadline } from './movable-deadline.ts'
import { runShutdown } from './shutdown-work.ts'

const nothing = z.strictObject({})
const plan = () => ({ action: 'run' as const, summary: 'it runs' })

/** `mounted` has something to take back; `deaf` never ends, whatever it is told; `waiting` ends when it is told to. */
const lab = definePlugin({
  name: 'lab',
  description: 'For tests.',
  steps: {
    mounted: defineStep({
      description: 'Mounts.',
      inputs: nothing,
      outputs: nothing,
      plan,
      run: async ({ willUndo }) => {
        await willUndo({})
        return done({})
      },
      undo: async () => {},
    }),
    stuck: defineStep({
      description: 'Can’t be taken back.',
      inputs: nothing,
      outputs: nothing,
      plan,
      run: async () => done({}),
      undo: () => Promise.reject(new Error('it is busy')),
    }),
    deaf: defineStep({
      description: 'Hears nothing.',
      inputs: nothing,
      outputs: nothing,
      plan,
      run: () => new Promise(() => {}),
    }),
    waiting: defineStep({
      description: 'Waits.',
      inputs: nothing,
      outputs: nothing,
      plan,
      run: ({ signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('it was told to end'))),
        ),
    }),
  },
})

async function shutDown(text: string, deadline: MovableDeadline, uses = 'lab/mounted') {
  const stateDirectory = await temporaryDirectory()
  const recipe = await checkRecipe(text, {
    file: 'recipe.yaml',
    plugins: { lab: async () => lab },
  })
  const platform = {}
  const values = resolveValues(recipe, { env: process.env, set: {}, platform })
  const events: NewEvent[] = []
  const journal = openJournal(stateDirectory)
  await journal.intend({ step: 'volume', uses, pipeline: 'boot', data: {} })
  const request = {
    recipe: 'recipe.yaml',
    text: undefined,
    pipeline: 'shutdown' as const,
    set: {},
    stateDirectory,
    grace: undefined,
    command: undefined,
    wasUsed: true,
  }
  const outcome = await runShutdown(
    { recipe, values, platform },
    {
      request,
      emit: (event) => events.push(event),
      cancel: new AbortController(),
      skipOptional: new AbortController().signal,
    },
    deadline,
  )
  const pending = await journal.pending()
  await journal.close()
  return { ...outcome, pending, events }
}

const recipe = (step: string) => `
boot: [{ id: volume, uses: lab/mounted }]
shutdown: [{ id: save, uses: lab/${step}, retry: { attempts: 20 } }]
`

test('keeps time for what must be taken back though a step ignores its end', async () => {
  const { result, pending, events } = await shutDown(
    recipe('deaf'),
    new MovableDeadline(Date.now() + 4000),
  )
  expect({ result, pending }).toEqual({ result: 'failed', pending: [] })
  expect(events).toContainEqual({
    type: 'note',
    level: 'warn',
    text: 'a step does not stop: what must be taken back does not wait for it',
  })
})

test('keeps time for what must be taken back though a step would try again for ever', async () => {
  const { result, pending } = await shutDown(
    recipe('waiting'),
    new MovableDeadline(Date.now() + 2000),
  )
  expect({ result, pending }).toEqual({ result: 'failed', pending: [] })
})

test('ends the steps and takes back in the time that is left when a signal shortens it', async () => {
  const deadline = new MovableDeadline(Date.now() + 600_000)
  const ended = shutDown(recipe('waiting'), deadline)
  setTimeout(() => deadline.hasten(Date.now() + 2000), 200)
  const { result, pending } = await ended
  expect({ result, pending }).toEqual({ result: 'cancelled', pending: [] })
})

test('tells its end when all is taken back, or could not be, and never calls it complete then', async () => {
  const fails = 'boot: [{ id: volume, uses: lab/stuck }]\nshutdown: [{ id: note, run: "true" }]'
  const deadline = new MovableDeadline(undefined)
  const { result, undo, pending, events } = await shutDown(fails, deadline, 'lab/stuck')
  expect(result).toBe('failed')
  expect(undo).toMatchObject({ done: 0, failed: 1 })
  expect(pending).toHaveLength(1)
  expect(events.filter(({ type }) => type === 'pipeline:end')).toEqual([events.at(-1)])
  expect(events.at(-1)).toMatchObject({
    type: 'pipeline:end',
    pipeline: 'shutdown',
    result: 'failed',
    counts: { done: 1, failed: 0 },
    undo: { done: 0, failed: 1 },
  })
})

test('takes back at once where there is nothing to save and no deadline', async () => {
  const { result, pending } = await shutDown(
    'boot: [{ id: volume, uses: lab/mounted }]',
    new MovableDeadline(undefined),
  )
  expect({ result, pending }).toEqual({ result: 'ready', pending: [] })
})
