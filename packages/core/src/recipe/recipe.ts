import type { Position } from '../error.ts'
import type { PipelineName } from '../event.ts'
import type { StepDefinition } from '../plugin/plugin.ts'

/** A validated recipe. Nothing in it has been evaluated: expressions are still text, the environment was not read. */
export interface Recipe {
  file: string
  /** The directory that relative paths of the recipe file itself start from. */
  directory: string
  name: string
  description: string | undefined
  vars: Record<string, VarDeclaration>
  /** Names of environment variables whose values are masked everywhere. */
  secrets: string[]
  env: Record<string, string>
  graceMs: number | undefined
  onBootFailure: 'exit' | 'hold' | 'continue'
  main: RecipeMain | undefined
  pipelines: Partial<Record<PipelineName, RecipeStep[]>>
}

export interface VarDeclaration {
  /** The environment variable that sets it; empty counts as unset. */
  env: string | undefined
  default: string | number | boolean | undefined
  required: boolean
  description: string | undefined
  at: Position
}

export interface RecipeMain {
  /** Strings may hold expressions. A command after `--` overrides it. */
  command: string[] | undefined
  workingDirectory: string | undefined
  env: Record<string, string>
  user: string | undefined
  /** `SIGTERM` unless said otherwise. */
  stopSignal: NodeJS.Signals
}

export interface RecipeStep {
  id: string
  name: string
  /** Exactly one of `uses` and `run`. */
  uses: { name: string; definition: StepDefinition } | undefined
  run: string | undefined
  /** `with`, as written; expressions unevaluated. */
  inputs: Record<string, unknown>
  env: Record<string, string>
  /** The bare expression. */
  if: string | undefined
  /** Resolved: the ids this step waits for, all of them within the same pipeline. */
  needs: string[]
  optional: boolean
  retry: { attempts: number; initialMs: number; maxMs: number }
  timeoutMs: number | undefined
  everyMs: number | undefined
  workingDirectory: string | undefined
  shell: 'bash' | 'sh'
  /** Secrets that the step may see in its environment. */
  secrets: string[]
  /** The names of its outputs, declared by the plugin or, for a `run` step, by the recipe; undefined where they can't be known. */
  outputs: string[] | undefined
  at: Position
  /** Where a value below the step was written, for errors found only when expressions have their values: `['with', 'to']`. */
  positionOf: (path: readonly (string | number)[]) => Position
}
