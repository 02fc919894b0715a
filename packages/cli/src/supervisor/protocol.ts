import type { BerthEvent } from '@berth/core'
import type { ErrorFacts } from '@berth/core/error'
import type { HealthFacts } from '../health/health.ts'
import type { KeptVariables } from './kept-variables.ts'
import type { ReadyFacts } from './readiness.ts'
import type { ShutdownOutcome } from './shutdown-tally.ts'

/** What a pipeline process is to do. It loads the recipe at once and waits for `go` before it touches anything. */
export interface PipelineRequest {
  recipe: string
  /** What the file held when the pod booted: what is edited while main runs must not cost the save. */
  text: string | undefined
  pipeline: 'boot' | 'shutdown'
  set: Record<string, string>
  stateDirectory: string
  /** `--grace`, as written. */
  grace: string | undefined
  /** What came after `--`. */
  command: string[] | undefined
  /** Anything but the boot has run by now: main, or a wait for a signal. */
  wasUsed: boolean
  /** A round while main runs: only these steps, and no undo. */
  round?: string[]
  /** The boot's deferred steps, and none but them. */
  deferred?: true
}

/** What the supervisor must know of a recipe, without ever reading one. */
export interface RecipeFacts {
  name: string
  text: string
  variables: KeptVariables
  /** Names of the environment variables that it declares as secrets. */
  secrets: string[]
  graceMs: number
  onBootFailure: 'exit' | 'hold' | 'continue'
  /** Boots that fail end the pod only so often. */
  holdAfter: { failures: number; withinMs: number } | undefined
  /** What tells this pod from others. */
  pod: string
  /** The shutdown steps that also run while main does. */
  rounds: { step: string; everyMs: number }[]
  /** The boot's steps that begin when main has started. */
  deferred: string[]
  /** Where it says how it gets on. */
  health: HealthFacts | undefined
}

/** How to start main, evaluated after the boot. */
export interface MainFacts {
  /** Empty when there is nothing to run. */
  command: string[]
  /** The command as it may be printed. */
  shown: string[]
  workingDirectory: string | undefined
  env: Record<string, string>
  user: string | undefined
  stopSignal: NodeJS.Signals
  ready: ReadyFacts | undefined
}

/** What main is when the boot's process died before it could say; its arguments could hold what only that process can mask. */
export function mainWithoutRecipe(command: string[]): MainFacts {
  const shown = command.map((word, index) => (index === 0 ? word : '…'))
  return {
    command,
    shown,
    workingDirectory: undefined,
    env: {},
    user: undefined,
    stopSignal: 'SIGTERM',
    ready: undefined,
  }
}

/** From the supervisor to a pipeline process. Times are milliseconds since the epoch. */
export type Order =
  | { type: 'load'; request: PipelineRequest }
  | { type: 'go'; deadline?: number }
  /** The whole must end sooner than was said. */
  | { type: 'deadline'; deadline: number }
  | { type: 'cancel'; reason: string }
  | { type: 'skip-optional' }

/** From a pipeline process to the supervisor, several in one message. */
export type Report =
  | { type: 'event'; event: BerthEvent }
  | { type: 'loaded'; facts: RecipeFacts }
  /** The recipe or its values are wrong; nothing ran. */
  | { type: 'refused'; error: ErrorFacts }
  | ({ type: 'ended'; main?: MainFacts } & ShutdownOutcome)
