import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { checkRecipe } from '../recipe/check-recipe.ts'
import { BerthError } from '../error.ts'
import type { NewEvent, PipelineName } from '../event.ts'
import { done, unchanged } from '../plugin/outcome.ts'
import { definePlugin, defineStep } from '../plugin/plugin.ts'
import { type PlannedStep, planPipeline } from '../run/plan-pipeline.ts'
import { type PipelineOptions, type PipelineOutcome, runPipeline } from '../run/run-pipeline.ts'
import { undoAll, type UndoOptions, type UndoOutcome } from '../run/undo.ts'
import { resolveValues } from '../recipe/values.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const file = z.string().default('log').describe('Where to note what happens.')

/** Steps that misbehave on command, and note in a file what they did. */
const lab = definePlugin({
  name: 'lab',
  description: 'Does what a test needs.',
  steps: {
    note: defineStep({
      description: 'Notes a text.',
      inputs: z.strictObject({ text: z.unknown().describe('What to note.'), file }),
      outputs: z.object({ text: z.string(), path: z.string().optional() }),
      reads: ['LAB_TOKEN'],
      plan: ({ inputs }) => ({
        action: 'run',
        summary: `would note ${String(inputs.text)}`,
        facts: { text: String(inputs.text) },
      }),
      run: async ({ inputs, env, log, workingDirectory }) => {
        await appendFile(join(workingDirectory, inputs.file), `${String(inputs.text)}\n`)
        log(`token ${env.LAB_TOKEN ?? 'none'}, other ${env.OTHER_TOKEN ?? 'none'}`)
        return done({ text: String(inputs.text), extra: 1 })
      },
    }),
    wait: defineStep({
      description: 'Waits.',
      inputs: z.strictObject({
        ms: z.number().describe('How long.'),
        deaf: z.boolean().default(false).describe('Whether it ignores the abort.'),
        file,
      }),
      outputs: z.object({}),
      plan: () => ({ action: 'run', summary: 'would wait' }),
      run: async ({ inputs, signal, workingDirectory, log, willUndo }) => {
        await appendFile(join(workingDirectory, inputs.file), 'wait\n')
        await sleep(inputs.ms, undefined, inputs.deaf ? {} : { signal })
        log('waited')
        if (inputs.deaf) await willUndo('late')
        return done()
      },
      undo: async () => {},
    }),
    flaky: defineStep({
      description: 'Fails a number of times.',
      inputs: z.strictObject({ failures: z.number().describe('How often.'), file }),
      outputs: z.object({}),
      plan: () => ({ action: 'run', summary: 'would try' }),
      run: async ({ inputs, workingDirectory, attempt, $ }) => {
        if (attempt <= inputs.failures) await $`echo "attempt ${attempt}" >&2; exit 7`
        await appendFile(join(workingDirectory, inputs.file), `attempt ${attempt}\n`)
        return unchanged('it is there')
      },
    }),
    mount: defineStep({
      description: 'Pretends to mount something.',
      inputs: z.strictObject({
        name: z.string().describe('What.'),
        fail: z.boolean().default(false).describe('Whether it fails after the announcement.'),
        file,
      }),
      outputs: z.object({}),
      plan: () => ({ action: 'run', summary: 'would mount' }),
      run: async ({ inputs, workingDirectory, willUndo }) => {
        const path = join(workingDirectory, inputs.file)
        await willUndo({ name: inputs.name, path })
        await appendFile(path, `mount ${inputs.name}\n`)
        if (inputs.fail)
          throw new BerthError('lab/failed', `could not mount ${inputs.name}: told so`)
        return done()
      },
      undo: async ({ data, signal }) => {
        const { name, path } = data as { name: string; path: string }
        if (name.startsWith('hung')) await sleep(60_000, undefined, { signal })
        if (name.startsWith('stuck'))
          throw new BerthError('lab/stuck', `could not unmount ${name}: it is stuck`)
        await appendFile(path, `unmount ${name}\n`)
      },
    }),
  },
})

export interface Lab {
  directory: string
  stateDirectory: string
  events: NewEvent[]
  run: (pipeline: PipelineName, options?: Partial<PipelineOptions>) => Promise<PipelineOutcome>
  undo: (options?: Partial<UndoOptions>) => Promise<UndoOutcome>
  plan: (pipeline: PipelineName) => Promise<PlannedStep[]>
  surroundings: Omit<PipelineOptions, 'pipeline' | 'signal'>
  /** The lines of the file that the steps note things in. */
  notes: () => Promise<string[]>
  /** `<step> <result>` in the order of the ends. */
  ends: () => string[]
}

/** A real recipe on an empty directory. */
export async function openLab(text: string, env: Record<string, string> = {}): Promise<Lab> {
  const directory = await temporaryDirectory()
  const stateDirectory = join(directory, 'state')
  const recipe = await checkRecipe(`name: lab\n${text}`, {
    file: join(directory, 'lab.yaml'),
    plugins: { lab: () => Promise.resolve(lab) },
  })
  const values = resolveValues(recipe, { env: { PATH: process.env.PATH, ...env }, set: {} })
  const events: NewEvent[] = []
  const emit = (event: NewEvent) => {
    events.push(event)
  }
  const surroundings = {
    recipe,
    values,
    platform: {},
    emit,
    stateDirectory,
    workingDirectory: directory,
  }
  return {
    directory,
    stateDirectory,
    events,
    surroundings,
    run: (pipeline, options) =>
      runPipeline({ ...surroundings, pipeline, signal: new AbortController().signal, ...options }),
    undo: (options) => undoAll({ ...surroundings, ...options }),
    plan: (pipeline) => planPipeline({ ...surroundings, pipeline }),
    notes: async () => {
      const noted = await readFile(join(directory, 'log'), 'utf8').catch(() => '')
      return noted.split('\n').slice(0, -1)
    },
    ends: () =>
      events.flatMap((event) =>
        event.type === 'step:end' ? [`${event.step} ${event.result}`] : [],
      ),
  }
}
