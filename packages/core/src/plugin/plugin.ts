import type { Shell as ZxShell } from 'zx'
import type { z } from 'zod'
import type { LogLevel, PipelineName, Progress } from '../event.ts'
import type { Facts, FactValue, Outcome } from './outcome.ts'

/** What a step is given. One argument and nothing global: a plugin reads no `process.env`, no `process.cwd()`, and prints nothing. */
export interface StepContext<Inputs = unknown> {
  /** Validated, defaults filled in, expressions evaluated. */
  inputs: Inputs
  /** The step's environment: the recipe's `env` and the step's own, and of the declared secrets only those that the step names or its definition reads. */
  env: Readonly<Record<string, string>>
  /** Absolute; relative paths in inputs are resolved against it. */
  workingDirectory: string
  /** zx bound to the step: its directory, environment, log and signal. For a plugin's own short commands. */
  $: ZxShell
  log: StepLog
  progress: (progress: Progress) => void
  /** Aborts on cancel, on the step's timeout, and at the deadline. A step stops within a second and leaves nothing half-written. */
  signal: AbortSignal
  /** Milliseconds since the epoch by which the whole pipeline must have ended; absent where there is no limit. */
  deadline: number | undefined
  pipeline: PipelineName
  /**
   * Whether anything but a boot can have been at work here: main, or whoever waits for a signal. False in the shutdown after a boot that
   * was cut: what it should have put in place may still be the image's.
   */
  wasUsed: boolean
  /** In a round of `every:`, while main runs: nobody waits for it, and the shutdown runs the step again. */
  periodic: boolean
  attempt: number
  script: RunScript
  /** Announces, before the action, what `undo` will need: the data is journalled and fsynced when this resolves. */
  willUndo: (data: FactValue) => Promise<void>
}

/**
 * Runs a shell script as a `run` step is run: streamed, masked, in bounded memory and in a process group of its own, in the step's
 * directory and environment unless told otherwise. Resolves with what it wrote to `$BERTH_OUTPUT`. A plan runs none.
 */
export type RunScript = (script: StepScript) => Promise<Record<string, string>>

export interface StepScript {
  text: string
  shell?: 'bash' | 'sh' | undefined
  /** Added to the step's own. */
  env?: Readonly<Record<string, string>>
  workingDirectory?: string
  /** A name under which its outputs are kept as they are written, for an undo after a kill. */
  keepAs?: string | undefined
}

export interface StepLog {
  (text: string): void
  info: (text: string) => void
  warn: (text: string) => void
  line: (level: LogLevel, text: string) => void
}

export interface UndoContext extends Omit<StepContext, 'inputs' | 'willUndo' | 'progress'> {
  /** What the step gave to `willUndo`. */
  data: FactValue
  /** The step's inputs, evaluated anew: no journal holds them, because they may hold secrets. */
  inputs: () => unknown
  /** The outputs that a script had written by the end, whatever that was. */
  kept: (name: string) => Promise<Record<string, string>>
}

/** What a step would do, found out without writing anything. */
export interface PlannedAction {
  /** `run`: it would act. `unchanged` and `skipped`: as the outcomes. `unknown`: it depends on an earlier step. */
  action: 'run' | 'unchanged' | 'skipped' | 'unknown'
  /** One line: what would happen, to what, and why. */
  summary: string
  facts?: Facts
  /** What would keep the step, or a later one, from ending well; each is shown once for the whole plan. */
  warnings?: string[]
}

export interface StepDefinition<
  Inputs extends z.ZodType = z.ZodType,
  Outputs extends z.ZodType = z.ZodType,
> {
  /** One sentence, with a full stop. */
  description: string
  /** A `z.strictObject`; every field has a `.describe()`. */
  inputs: Inputs
  outputs: Outputs
  /** Names of environment variables that hold secrets and that this step may read although the recipe declares them as secrets. */
  reads?: readonly string[]
  /**
   * Throws a BerthError for what is wrong with the inputs together, or with them in this environment. Called before anything runs where
   * the inputs are known by then, so that a pod doesn't learn at its end that it can't save. Writes nothing, contacts nothing.
   */
  check?: (
    question: Pick<StepContext<z.output<Inputs>>, 'inputs' | 'env' | 'workingDirectory'>,
  ) => void
  /** Writes nothing. */
  plan: (
    context: Omit<StepContext<z.output<Inputs>>, 'willUndo' | 'progress'>,
  ) => Promise<PlannedAction> | PlannedAction
  run: (context: StepContext<z.output<Inputs>>) => Promise<Outcome<z.output<Outputs> & Facts>>
  /** Takes back what `willUndo` announced, whether or not the action was reached; idempotent. */
  undo?: (context: UndoContext) => Promise<void>
}

export interface Plugin {
  /** The package's name without the scope, and the first half of `uses:`. */
  name: string
  description: string
  steps: Record<string, StepDefinition>
}

/** Declares one step; exists for its type inference. */
export function defineStep<Inputs extends z.ZodType, Outputs extends z.ZodType>(
  definition: StepDefinition<Inputs, Outputs>,
): StepDefinition {
  return definition as unknown as StepDefinition
}

/** Declares a plugin: one noun, one folder, one exported object. */
export function definePlugin(plugin: Plugin): Plugin {
  return plugin
}

/** Plugin name to its module, loaded when a recipe names it. */
export type PluginRegistry = Record<string, () => Promise<Plugin>>
