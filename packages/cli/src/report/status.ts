import type { PipelineResult, Progress } from '@berth/core'
import { exitCodes } from '../exit-codes.ts'
import {
  type Life,
  type LifeState,
  type MainLife,
  type PipelineLife,
  stateOf,
  type StepLife,
} from './life.ts'

/** How the container is, in one document: what `berth status --json` and `/status` answer. */
export interface Status {
  version: 1
  state: LifeState | 'none'
  /** Whether the app can be used. */
  ready: boolean
  recipe?: string
  file?: string
  pid?: number
  startedAt?: number
  /** Since the boot began, or what it took in all. */
  durationMs?: number
  exitCode?: number
  /** It was killed, and `berth shutdown` put it away: when it was last heard of. */
  killedAt?: number
  /** What `berth shutdown` has yet to put away. */
  left?: 'this boot' | 'an earlier boot'
  /** Earlier boots, of other recipes or values, that it has yet to put away, the oldest first. */
  owed?: string[]
  boot?: PartStatus
  deferred?: PartStatus
  shutdown?: PartStatus
  /** While it stops: when everything must have ended. */
  deadline?: number
  main?: Pick<MainLife, 'pid' | 'startedAt' | 'readyAt' | 'endedAt' | 'fate'> & { ready: boolean }
  running: RunningStep[]
  failed: { step: string; optional: boolean; message: string }[]
  rounds: Life['rounds']
  warnings: string[]
  errors: string[]
}

export interface PartStatus {
  result?: PipelineResult
  durationMs: number
  /** How many of the steps have ended, and how many there are. */
  ended: number
  steps: number
}

export interface RunningStep {
  step: string
  sinceMs: number
  attempt: number
  progress: Progress[]
  lastLine?: string
}

/** Of no boot. */
export const noStatus: Status = {
  version: 1,
  state: 'none',
  ready: false,
  running: [],
  failed: [],
  rounds: { count: 0, failed: 0 },
  warnings: [],
  errors: [],
}

/** How a life is. `now` is the present; `deadline` comes from the supervisor, where it could be asked. */
export function statusOf(
  life: Life,
  { isAlive, now, deadline }: { isAlive: boolean; now: number; deadline?: number | undefined },
): Status {
  const told = stateOf(life, isAlive)
  const state = deadline !== undefined && told !== 'ended' ? 'stopping' : told
  const until = life.endedAt ?? (isAlive ? now : life.lastAt)
  const all = [life.boot, life.deferred, life.shutdown, life.build]
  const parts = all.filter((part) => part !== undefined)
  const steps = [...parts.flatMap((part) => part.steps), ...life.undo]
  const { recipe, file, pid, startedAt, exitCode, killedAt, rounds, warnings } = life
  return {
    version: 1,
    state,
    ready: state === 'ready' || state === 'degraded',
    recipe,
    file,
    pid,
    startedAt,
    durationMs: until - startedAt,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(killedAt === undefined ? {} : { killedAt }),
    ...partStatus('boot', life.boot, until),
    ...partStatus('deferred', life.deferred, until),
    ...partStatus('shutdown', life.shutdown, until),
    ...(deadline === undefined ? {} : { deadline }),
    ...mainStatus(life),
    running: isAlive ? steps.filter(isRunning).map((step) => runningStep(step, now)) : [],
    failed: steps.filter(isFailed).map(({ id, optional, error, reason, result = 'failed' }) => ({
      step: id,
      optional,
      message: error?.message ?? reason ?? result,
    })),
    rounds,
    warnings,
    errors: life.errors.map(({ message }) => message),
  }
}

/** In progress, there or on its way down: ask again. */
const unsettled = 4

/** The exit code of `berth status`: the state is right, degraded, not yet settled, or not as it should be. */
export function statusExitCode({ state }: Status): number {
  if (state === 'ready') return exitCodes.right
  if (state === 'degraded') return exitCodes.degraded
  return state === 'booting' || state === 'stopping' ? unsettled : exitCodes.failed
}

export type Probe = 'live' | 'startup' | 'ready'

/** Whether a probe is answered with yes. `answered`: the supervisor did, on its socket; a boot of before says nothing of the next. */
export function probeHolds(
  probe: Probe,
  { status, answered }: { status: Status; answered: boolean },
): boolean {
  if (probe === 'live') return answered
  if (probe === 'ready') return status.ready
  return answered && status.boot?.result !== undefined
}

function partStatus(
  name: 'boot' | 'deferred' | 'shutdown',
  part: PipelineLife | undefined,
  until: number,
): Partial<Record<typeof name, PartStatus>> {
  if (part === undefined) return {}
  const { result, startedAt, endedAt } = part
  const steps = part.steps.filter(({ of }) => of === undefined)
  return {
    [name]: {
      ...(result === undefined ? {} : { result }),
      durationMs: (endedAt ?? until) - startedAt,
      ended: steps.filter((step) => step.endedAt !== undefined).length,
      steps: steps.length,
    },
  }
}

function mainStatus({ main }: Life): Pick<Status, 'main'> {
  if (main === undefined) return {}
  const { pid, startedAt, awaited, readyAt, endedAt, fate } = main
  const ready = endedAt === undefined && (awaited !== true || readyAt !== undefined)
  return {
    main: {
      pid,
      startedAt,
      ready,
      ...(readyAt === undefined ? {} : { readyAt }),
      ...(endedAt === undefined ? {} : { endedAt }),
      ...(fate === undefined ? {} : { fate }),
    },
  }
}

function runningStep(step: StepLife, now: number): RunningStep {
  const { id, startedAt = now, attempts, progress, lastLine } = step
  return {
    step: id,
    sinceMs: now - startedAt,
    attempt: attempts,
    progress: Object.values(progress),
    ...(lastLine === undefined ? {} : { lastLine }),
  }
}

function isRunning({ startedAt, endedAt }: StepLife): boolean {
  return startedAt !== undefined && endedAt === undefined
}

/** A rung that was refused is no failure: its ladder's is. */
function isFailed({ result, of }: StepLife): boolean {
  return of === undefined && (result === 'failed' || result === 'timeout')
}
