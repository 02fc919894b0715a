import { isBerthError, type NewEvent, runPipeline, undoAll } from '@berth/core'
import { type LoadedRecipe, loadRecipe } from '../load.ts'
import { outputMask, shownError } from '../output-mask.ts'
import { parseGrace } from '../parse-grace.ts'
import { keepVariables } from './kept-variables.ts'
import { findUserProblem, mayMakeUsers } from './check-user.ts'
import { evaluateMain, healthFacts } from './main-facts.ts'
import { MovableDeadline } from './movable-deadline.ts'
import type { PipelineRequest, RecipeFacts, Report } from './protocol.ts'
import { longTimeoutsWarning } from './shutdown-forecast.ts'
import { runRound, runShutdown } from './shutdown-work.ts'
import { worse } from './worse.ts'

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
  const { request } = surroundings
  const { recipe: file, set } = request
  const limit = new MovableDeadline(undefined)
  const loaded = await loadRecipe({
    file,
    kept: request.text,
    set,
    env: process.env,
    // A boot must not begin what its shutdown can't save; a shutdown saves what it can.
    check: request.pipeline === 'boot' ? ['boot', 'shutdown'] : [],
    mayLeaveOutOverlay: true,
  })
  if (request.pipeline === 'boot' && request.deferred !== true) refuseUser(loaded, request)
  return {
    facts: factsOf(loaded, request),
    run: async (deadline) => {
      if (deadline !== undefined) limit.hasten(deadline)
      const { brokenOverlay } = loaded
      if (brokenOverlay !== undefined) {
        surroundings.emit({ type: 'error', error: shownError(brokenOverlay) })
      }
      const report =
        request.pipeline === 'boot'
          ? await runBoot(loaded, surroundings)
          : await runShutdownPart(loaded, surroundings, limit)
      if (brokenOverlay === undefined || report.type !== 'ended') return report
      return { ...report, result: worse(report.result, 'degraded') }
    },
    hasten: (deadline) => limit.hasten(deadline),
  }
}

function factsOf(loaded: LoadedRecipe, request: PipelineRequest): RecipeFacts {
  const { recipe, platformFacts, kept } = loaded
  const fromOption = request.grace === undefined ? undefined : parseGrace(request.grace)
  const rounds = (recipe.pipelines.shutdown ?? []).flatMap(({ id, everyMs }) =>
    everyMs === undefined ? [] : [{ step: id, everyMs }],
  )
  return {
    name: recipe.name,
    text: kept,
    variables: keepVariables(loaded, { env: process.env, set: request.set }),
    secrets: recipe.secrets,
    graceMs: fromOption ?? recipe.graceMs ?? platformFacts.graceMs,
    onBootFailure: recipe.onBootFailure,
    holdAfter: recipe.holdAfter,
    pod: platformFacts.pod,
    rounds,
    deferred: (recipe.pipelines.boot ?? []).filter(({ defer }) => defer).map(({ id }) => id),
    health: healthFacts(loaded),
  }
}

async function runBoot(loaded: LoadedRecipe, surroundings: PipelineSurroundings): Promise<Report> {
  const { request, emit, cancel, skipOptional } = surroundings
  const { stateDirectory } = request
  const options = { ...loaded, emit, signal: cancel.signal, stateDirectory, skipOptional }
  if (request.deferred === true) {
    const { result } = await runPipeline({ ...options, pipeline: 'boot', deferred: 'only' })
    return { type: 'ended', result }
  }
  warnOfTimeouts(loaded, surroundings)
  warnOfUser(loaded, surroundings)
  // What an earlier life announced and did not live to take back; nothing, in most containers.
  await undoAll({ ...loaded, emit, stateDirectory, signal: cancel.signal })
  const { result } = await runPipeline({ ...options, pipeline: 'boot', deferred: 'leave' })
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

function warnOfTimeouts(loaded: LoadedRecipe, { request, emit }: PipelineSurroundings): void {
  const { graceMs } = factsOf(loaded, request)
  const text = longTimeoutsWarning(loaded.recipe.pipelines.shutdown ?? [], graceMs)
  if (text !== undefined) emit({ type: 'note', level: 'warn', text })
}

/** A boot that takes minutes must not end with a main that could never be started. */
function refuseUser(loaded: LoadedRecipe, { command }: PipelineRequest): void {
  const problem = findUserProblem(loaded, command)
  if (problem !== undefined && !mayMakeUsers(loaded.recipe)) throw problem
}

function warnOfUser(loaded: LoadedRecipe, { request, emit }: PipelineSurroundings): void {
  const problem = findUserProblem(loaded, request.command)
  if (problem === undefined) return
  const text = outputMask().text(`${problem.message}, unless the boot changes that`)
  emit({ type: 'note', level: 'warn', text })
}

async function runShutdownPart(
  loaded: LoadedRecipe,
  surroundings: PipelineSurroundings,
  deadline: MovableDeadline,
): Promise<Report> {
  const { round } = surroundings.request
  if (round !== undefined) {
    return { type: 'ended', result: await runRound(loaded, surroundings, round) }
  }
  return { type: 'ended', ...(await runShutdown(loaded, surroundings, deadline)) }
}
