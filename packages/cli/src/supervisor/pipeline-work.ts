import { readFile } from 'node:fs/promises'
import {
  BerthError,
  checkKnownInputs,
  isBerthError,
  type NewEvent,
  parseDuration,
  type PipelineResult,
  runPipeline,
  undoAll,
} from '@berth/core'
import { type LoadedRecipe, loadRecipe } from '../load.ts'
import { shownError } from '../output-mask.ts'
import { evaluateMain } from './main-facts.ts'
import type { PipelineRequest, RecipeFacts, Report } from './protocol.ts'

/** The part of the time left that belongs to the undo stack: what is mounted must come down though a save would use it all. */
const undoShare = 0.15
const longestUndoShareMs = 3000

export interface PipelineSurroundings {
  request: PipelineRequest
  emit: (event: NewEvent) => void
  cancel: AbortController
  skipOptional: AbortSignal
}

export interface LoadedPipeline {
  facts: RecipeFacts
  /** Runs to the end; everything that a user can cause is in the report. */
  run: (deadline: number | undefined) => Promise<Report>
  /** Everything must end sooner than `run` was told. */
  hasten: (deadline: number) => void
}

/** Loads what a request names, and touches nothing. Throws BerthErrors for what is wrong with the recipe or the options. */
export async function loadPipeline(surroundings: PipelineSurroundings): Promise<LoadedPipeline> {
  const { request, cancel } = surroundings
  const { recipe: file, set } = request
  const loaded = await loadRecipe({ file, text: request.text, set, env: process.env })
  // A boot must not begin what its shutdown can't save; a shutdown saves what it can.
  if (request.pipeline === 'boot') {
    checkKnownInputs({ ...loaded, pipelines: ['boot', 'shutdown'] })
  }
  const text = request.text ?? (await readFile(file, 'utf8'))
  return {
    facts: factsOf(loaded, request, text),
    run: (deadline) =>
      request.pipeline === 'boot'
        ? runBoot(loaded, surroundings)
        : runShutdown(loaded, surroundings, deadline),
    hasten: (deadline) => {
      setTimeout(
        () => cancel.abort('the time is over'),
        stepsDeadline(deadline) - Date.now(),
      ).unref()
    },
  }
}

function factsOf(
  { recipe, platformFacts }: LoadedRecipe,
  request: PipelineRequest,
  text: string,
): RecipeFacts {
  const fromOption = request.grace === undefined ? undefined : parseGrace(request.grace)
  const rounds = (recipe.pipelines.shutdown ?? []).flatMap(({ id, everyMs }) =>
    everyMs === undefined ? [] : [{ step: id, everyMs }],
  )
  return {
    name: recipe.name,
    text,
    secrets: recipe.secrets,
    graceMs: fromOption ?? recipe.graceMs ?? platformFacts.graceMs,
    onBootFailure: recipe.onBootFailure,
    rounds,
  }
}

function parseGrace(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    if (!isBerthError(error)) throw error
    throw new BerthError('cli/usage', `\`--grace ${text}\`: ${error.message}`, {
      hint: error.hint ?? 'write `10s`',
      cause: error,
    })
  }
}

async function runBoot(loaded: LoadedRecipe, surroundings: PipelineSurroundings): Promise<Report> {
  const { request, emit, cancel, skipOptional } = surroundings
  const { stateDirectory } = request
  // What an earlier life announced and did not live to take back; nothing, in most containers.
  await undoAll({ ...loaded, emit, stateDirectory, signal: cancel.signal })
  const { result } = await runPipeline({
    ...loaded,
    pipeline: 'boot',
    emit,
    signal: cancel.signal,
    stateDirectory,
    skipOptional,
  })
  if (result === 'cancelled') return { type: 'ended', result }
  try {
    return {
      type: 'ended',
      result,
      main: await evaluateMain(loaded, stateDirectory, request.command),
    }
  } catch (error) {
    if (!isBerthError(error)) throw error
    emit({ type: 'error', error: shownError(error) })
    return { type: 'ended', result: 'failed' }
  }
}

async function runShutdown(
  loaded: LoadedRecipe,
  surroundings: PipelineSurroundings,
  deadline: number | undefined,
): Promise<Report> {
  const { request, emit, cancel, skipOptional } = surroundings
  const { stateDirectory, round, wasUsed } = request
  const shared = { ...loaded, emit, stateDirectory }
  const { result } = await runPipeline({
    ...shared,
    pipeline: 'shutdown',
    wasUsed,
    signal: cancel.signal,
    skipOptional,
    deadline: deadline === undefined ? undefined : stepsDeadline(deadline),
    ...(round === undefined ? {} : { only: round, periodic: true }),
  })
  if (round !== undefined) return { type: 'ended', result }
  const { result: undone } = await undoAll({ ...shared, deadline })
  return { type: 'ended', result: worse(result, undone) }
}

/** When the steps must have ended, for the undo to have its share. */
function stepsDeadline(deadline: number): number {
  const left = Math.max(0, deadline - Date.now())
  return deadline - Math.min(longestUndoShareMs, left * undoShare)
}

const severity: readonly PipelineResult[] = ['ready', 'degraded', 'cancelled', 'failed']

function worse(one: PipelineResult, other: PipelineResult): PipelineResult {
  return severity.indexOf(other) > severity.indexOf(one) ? other : one
}
