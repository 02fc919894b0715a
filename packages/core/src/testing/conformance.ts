import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import type { StepResult } from '../event.ts'
import type { Plugin, StepDefinition } from '../plugin/plugin.ts'
import { readTree } from './read-tree.ts'
import {
  planStep,
  runStep,
  type StepOverrides,
  type StepRun,
  type TestInputs,
} from './run-one-step.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** What a step is run on. */
export interface StepWorld extends Pick<StepOverrides, 'env' | 'secrets' | 'pipeline'> {
  inputs: TestInputs
}

export interface StepCase {
  /** Fills an empty directory in which the step has something to do, always in the same way, and says how to call it. */
  prepare: (directory: string) => StepWorld | Promise<StepWorld>
  /** By title, inputs that the step must refuse. They replace those of `prepare` one by one. */
  bad: Record<string, TestInputs>
  /** How the first run ends; `done` unless said otherwise. */
  first?: StepResult
  /** How the second run ends; `unchanged` unless said otherwise. */
  second?: StepResult
  /** After how many milliseconds the run is aborted, each in a test of its own; 0, 5 and 50 unless said otherwise. */
  abortAfterMs?: readonly number[]
  /** Whether an aborted run may leave this file or directory (a path below the directory); state below `.berth/` unless said otherwise. */
  isStaging?: (path: string) => boolean
}

// A second is what is asked for; a machine that is busy with other tests needs more.
const STOP_MS = 3000

/**
 * Registers the tests that every plugin passes, with one case per step: bad inputs give an error with a code and touch nothing; `plan` writes
 * nothing; a second run changes nothing; an abort stops the step within a second and leaves nothing half-written, and the next run
 * completes; no secret occurs in an event or in what is kept for later processes; and everything is documented.
 */
export function testPlugin(plugin: Plugin, cases: Record<string, StepCase>): void {
  describe(`${plugin.name} conforms`, () => {
    test('describes itself, its steps and their inputs in sentences', () => {
      expect(plugin.name).toMatch(/^[a-z][a-z0-9-]*$/)
      const texts = Object.entries(plugin.steps).flatMap(([name, step]) =>
        descriptionsOf(name, step),
      )
      const wrong = [['plugin', plugin.description], ...texts].filter(
        ([, text]) => !/^\p{Lu}.*\.$/su.test(text ?? ''),
      )
      expect(wrong).toEqual([])
    })

    test('has a case for each of its steps', () => {
      expect(Object.keys(cases).toSorted()).toEqual(Object.keys(plugin.steps).toSorted())
    })

    for (const [name, definition] of Object.entries(plugin.steps)) {
      // A step without a case fails above; below it fails again, having no world.
      describe(`${name}`, () => {
        testStep(definition, cases[name] ?? { prepare: () => ({ inputs: {} }), bad: {} })
      })
    }
  })
}

function descriptionsOf(
  name: string,
  { description, inputs }: StepDefinition,
): [string, string | undefined][] {
  const shape = 'shape' in inputs ? (inputs.shape as Record<string, z.ZodType>) : {}
  const fields = Object.entries(shape).map(([key, field]): [string, string | undefined] => [
    `${name}.${key}`,
    field.description,
  ])
  return [[name, description], ...fields]
}

function testStep(definition: StepDefinition, stepCase: StepCase): void {
  const { first = 'done', second = 'unchanged' } = stepCase

  for (const [title, inputs] of Object.entries(stepCase.bad)) {
    test(`refuses ${title} and touches nothing`, async () => {
      const { directory, world } = await prepared(stepCase)
      const before = await readTree(directory, { exact: true })
      const { outcome } = await runIn(directory, definition, {
        ...world,
        inputs: { ...world.inputs, ...inputs },
      })
      expect(outcome).toMatchObject({
        result: 'failed',
        error: { code: expect.stringMatching(/^[a-z0-9-]+\/[a-z0-9-]+$/) },
      })
      expect(outcome.error?.code).not.toBe('core/bug')
      expect(await readTree(directory, { exact: true })).toEqual(before)
    })
  }

  test('plans without writing, before it has run and after', async () => {
    const { directory, world } = await prepared(stepCase)
    for (const _ of ['before', 'after']) {
      const before = await readTree(directory, { exact: true })
      const planned = await planStep(definition, world.inputs, {
        ...world,
        workingDirectory: directory,
      })
      expect(planned).toMatchObject({
        action: expect.any(String),
        summary: expect.stringMatching(/./),
      })
      expect(planned.error).toBeUndefined()
      expect(await readTree(directory, { exact: true })).toEqual(before)
      await runIn(directory, definition, world)
    }
  })

  test(`ends its first run \`${first}\` and its second \`${second}\`, which changes nothing`, async () => {
    const { directory, world } = await prepared(stepCase)
    expect((await runIn(directory, definition, world)).outcome).toMatchObject({ result: first })
    const after = await readTree(directory)
    expect((await runIn(directory, definition, world)).outcome).toMatchObject({ result: second })
    expect(await readTree(directory)).toEqual(after)
  })

  test('shows and keeps no secret', async () => {
    const { directory, world } = await prepared(stepCase)
    const runs = [
      await runIn(directory, definition, world),
      await runIn(directory, definition, world),
    ]
    for (const run of runs) {
      const texts = JSON.stringify(run.events) + (await run.stateText())
      for (const value of Object.values(world.secrets ?? {})) expect(texts).not.toContain(value)
    }
  })

  for (const ms of stepCase.abortAfterMs ?? [0, 5, 50]) {
    test(`stops soon after an abort after ${ms} ms, and completes afterwards`, async () => {
      const aborted = await abortOnce(definition, stepCase, ms)
      expect(aborted.stoppedAfterMs).toBeLessThan(STOP_MS)
      expect(aborted.halfWritten).toEqual([])
      expect(aborted.completed).toEqual(aborted.whole)
    })
  }
}

async function abortOnce(definition: StepDefinition, stepCase: StepCase, ms: number) {
  const isStaging = stepCase.isStaging ?? ((path: string) => path.split('/').includes('.berth'))
  const untouched = await prepared(stepCase)
  await runIn(untouched.directory, definition, untouched.world)
  const whole = await settledTree(untouched.directory, isStaging)

  const { directory, world } = await prepared(stepCase)
  const before = await settledTree(directory, isStaging)
  const controller = new AbortController()
  const running = runIn(directory, definition, world, controller.signal)
  await sleep(ms)
  const abortedAt = performance.now()
  controller.abort()
  await running
  const stoppedAfterMs = performance.now() - abortedAt
  const halfWritten = Object.entries(await settledTree(directory, isStaging)).filter(
    ([path, what]) => what !== before[path] && what !== whole[path],
  )
  await runIn(directory, definition, world)
  return { stoppedAfterMs, halfWritten, whole, completed: await settledTree(directory, isStaging) }
}

/** The tree without its staging, as if it lay elsewhere. */
async function settledTree(
  directory: string,
  isStaging: (path: string) => boolean,
): Promise<Record<string, string>> {
  const entries = Object.entries(await readTree(directory, { relative: true }))
  return Object.fromEntries(entries.filter(([path]) => !isStaging(path)))
}

async function prepared({ prepare }: StepCase): Promise<{ directory: string; world: StepWorld }> {
  const directory = await temporaryDirectory()
  return { directory, world: await prepare(directory) }
}

function runIn(
  directory: string,
  definition: StepDefinition,
  { inputs, ...world }: StepWorld,
  signal?: AbortSignal,
): Promise<StepRun> {
  return runStep(definition, inputs, {
    ...world,
    workingDirectory: directory,
    ...(signal === undefined ? {} : { signal }),
  })
}
