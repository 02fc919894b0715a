import { type NewEvent, openJournal, type PipelineResult, runPipeline, undoAll } from '@berth/core'
import type { LoadedRecipe } from '../load.ts'
import { stepsDeadline } from './grace.ts'
import { MovableDeadline } from './movable-deadline.ts'
import type { PipelineRequest } from './protocol.ts'
import { type ShutdownOutcome, ShutdownTally } from './shutdown-tally.ts'

export interface ShutdownSurroundings {
  request: PipelineRequest
  emit: (event: NewEvent) => void
  cancel: AbortController
  skipOptional: AbortSignal
}

type RunnableRecipe = Pick<LoadedRecipe, 'recipe' | 'values' | 'platform'>

/** Of what is kept for the undo, a step that ignores its end may use this much before it is left behind. */
const overrunShare = 0.4

/**
 * The steps of a shutdown, and then the undo, for which a share of the time is kept: neither a step's retries nor one that does not stop can use
 * it. `deadline` may move while it runs.
 */
export async function runShutdown(
  loaded: RunnableRecipe,
  surroundings: ShutdownSurroundings,
  deadline: MovableDeadline,
): Promise<ShutdownOutcome> {
  const { emit, skipOptional, request } = surroundings
  const tally = new ShutdownTally(emit)
  const steps = await runSteps(loaded, { ...surroundings, emit: tally.hear }, deadline)
  let undone: PipelineResult
  let moved: AbortSignal
  do {
    moved = deadline.moved
    const { stateDirectory } = request
    const limits = { deadline: endOfUndo(deadline.at), signal: moved, skipOptional }
    const outcome = await undoAll({ ...loaded, emit, stateDirectory, ...limits })
    tally.undone(outcome.undone)
    undone = outcome.result
    // What was cancelled because the time is shorter now is tried again within it.
  } while (moved.aborted)
  return tally.tell(steps, undone)
}

/** A round: some steps, without undo. */
export async function runRound(
  loaded: RunnableRecipe,
  { request, emit, cancel, skipOptional }: ShutdownSurroundings,
  only: string[],
): Promise<PipelineResult> {
  const { stateDirectory, wasUsed } = request
  const options = { emit, stateDirectory, wasUsed, only, skipOptional, signal: cancel.signal }
  const { result } = await runPipeline({
    ...loaded,
    ...options,
    pipeline: 'shutdown',
    periodic: true,
  })
  return result
}

async function runSteps(
  loaded: RunnableRecipe,
  { request, emit, cancel, skipOptional }: ShutdownSurroundings,
  deadline: MovableDeadline,
): Promise<PipelineResult> {
  const { stateDirectory, wasUsed } = request
  const endFor = (at: number): Promise<number> => endOfSteps(at, stateDirectory)
  const end = new MovableDeadline(deadline.at && (await endFor(deadline.at)))
  deadline.whenMoved((at) => void endFor(at).then((nearer) => end.hasten(nearer)))
  // The pipeline itself stops at the end that it is told when it begins.
  end.whenMoved((at) => setTimeout(() => cancel.abort('the time is over'), at - Date.now()).unref())
  const limits = { skipOptional, signal: cancel.signal, deadline: end.at }
  const work = runPipeline({
    ...loaded,
    emit,
    stateDirectory,
    wasUsed,
    pipeline: 'shutdown',
    ...limits,
  })
  const ended = new AbortController()
  const reserveMs = (deadline.at ?? 0) - (end.at ?? 0)
  const overrun = end.passed(reserveMs * overrunShare, ended.signal).then((isOver) => {
    const text = 'a step does not stop: what must be taken back does not wait for it'
    if (isOver) emit({ type: 'note', level: 'warn', text })
    return { result: 'failed' as const }
  })
  const { result } = await Promise.race([work, overrun])
  ended.abort()
  return result
}

/** What is cut at the very end could not be told. */
function endOfUndo(deadline: number | undefined): number | undefined {
  return deadline && stepsDeadline({ now: Date.now(), deadline, hasUndo: false })
}

async function endOfSteps(deadline: number, stateDirectory: string): Promise<number> {
  const journal = openJournal(stateDirectory)
  // What can't be read may hold something that must be taken back.
  const hasUndo = await journal.pending().then(
    (intents) => intents.length > 0,
    () => true,
  )
  await journal.close()
  return stepsDeadline({ now: Date.now(), deadline, hasUndo })
}
