import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NewEvent, PipelineName } from '../event.ts'
import { outputFile, type StepRecord } from '../run/outputs.ts'
import { type PlannedStep, planPipeline } from '../run/plan-pipeline.ts'
import type { StepDefinition } from '../plugin/plugin.ts'
import type { Recipe, RecipeStep } from '../recipe/recipe.ts'
import { runPipeline } from '../run/run-pipeline.ts'
import type { StepEnd } from '../run/step-end.ts'
import { undoAll, type UndoOutcome } from '../run/undo.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export type TestInputs = Record<string, unknown>

export interface StepOverrides {
  env?: Record<string, string>
  /** Secrets by name: declared, put into the environment, masked, and seen by the step only when its definition reads them. */
  secrets?: Record<string, string>
  workingDirectory?: string
  signal?: AbortSignal
  deadline?: number
  pipeline?: PipelineName
  /** False: after a boot that was cut. */
  wasUsed?: boolean
  /** A round while main runs. */
  periodic?: boolean
  stateDirectory?: string
  /** Parts of the recipe's step: `timeoutMs`, `retry`, `optional`, … */
  step?: Partial<RecipeStep>
}

export interface StepRun {
  outcome: StepEnd
  outputs: StepRecord['outputs']
  events: NewEvent[]
  /** What the run left for later processes, as text: outputs and journal. */
  stateText: () => Promise<string>
  /** Takes back what the step announced; its events are added to `events`. */
  undo: () => Promise<UndoOutcome>
}

const ID = 'step'

/** Runs one step of a plugin as a recipe would, with a state directory of its own, and gives everything that happened. */
export async function runStep(
  definition: StepDefinition,
  inputs: TestInputs,
  overrides: StepOverrides = {},
): Promise<StepRun> {
  const stateDirectory = overrides.stateDirectory ?? (await temporaryDirectory())
  const events: NewEvent[] = []
  const shared = {
    ...(await surroundings(definition, inputs, overrides)),
    stateDirectory,
    emit: (event: NewEvent) => {
      events.push(event)
    },
  }
  const { steps } = await runPipeline({
    ...shared,
    signal: overrides.signal ?? new AbortController().signal,
    deadline: overrides.deadline,
    ...(overrides.wasUsed === undefined ? {} : { wasUsed: overrides.wasUsed }),
    ...(overrides.periodic === undefined ? {} : { periodic: overrides.periodic }),
  })
  const records = await outputFile(stateDirectory).read(overrides.pipeline)
  return {
    outcome: steps[ID] as StepEnd,
    outputs: records[ID]?.outputs ?? {},
    events,
    stateText: () => readState(stateDirectory),
    undo: () => undoAll(shared),
  }
}

/** Plans one step of a plugin as a recipe would. */
export async function planStep(
  definition: StepDefinition,
  inputs: TestInputs,
  overrides: StepOverrides = {},
): Promise<PlannedStep> {
  const [planned] = await planPipeline(await surroundings(definition, inputs, overrides))
  return planned as PlannedStep
}

async function surroundings(
  definition: StepDefinition,
  inputs: TestInputs,
  overrides: StepOverrides,
) {
  const { secrets = {}, env = {}, pipeline = 'boot' } = overrides
  const step = testStep(definition, inputs, overrides.step)
  return {
    recipe: testRecipe(Object.keys(secrets), { [pipeline]: [step] }),
    pipeline,
    values: { vars: {}, secrets, env: { PATH: process.env.PATH ?? '', ...env, ...secrets } },
    platform: {},
    workingDirectory: overrides.workingDirectory ?? (await temporaryDirectory()),
  }
}

function testRecipe(secrets: string[], pipelines: Recipe['pipelines']): Recipe {
  return {
    file: 'test.yaml',
    texts: {},
    origins: () => [],
    overlay: undefined,
    directory: '/',
    name: 'test',
    description: undefined,
    vars: {},
    secrets,
    env: {},
    graceMs: undefined,
    onBootFailure: 'exit',
    holdAfter: undefined,
    main: undefined,
    health: undefined,
    pipelines,
  }
}

function testStep(
  definition: StepDefinition,
  inputs: TestInputs,
  parts: Partial<RecipeStep> = {},
): RecipeStep {
  const at = { file: 'test.yaml', line: 1, column: 1 }
  return {
    id: ID,
    name: ID,
    uses: { name: 'test/step', definition },
    run: undefined,
    anyOf: undefined,
    undo: undefined,
    defer: false,
    lock: undefined,
    explain: undefined,
    inputs,
    env: {},
    if: undefined,
    needs: [],
    optional: false,
    retry: { attempts: 1, initialMs: 1, maxMs: 1 },
    timeoutMs: undefined,
    everyMs: undefined,
    workingDirectory: undefined,
    shell: 'bash',
    secrets: [],
    outputs: undefined,
    at,
    positionOf: () => at,
    ...parts,
  }
}

async function readState(directory: string): Promise<string> {
  const files = ['steps.json', 'undo.jsonl'].map((name) =>
    readFile(join(directory, name), 'utf8').catch(() => ''),
  )
  return (await Promise.all(files)).join('')
}
