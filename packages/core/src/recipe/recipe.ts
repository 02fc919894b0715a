import type { Position } from '../error.ts'
import type { PipelineName } from '../event.ts'
import type { StepDefinition } from '../plugin/plugin.ts'

/** A validated recipe. Nothing in it has been evaluated: expressions are still text, the environment was not read. */
export interface Recipe {
  file: string
  /** The text of every file that it is made of, by absolute path: `readRecipe` takes them in the place of the files. */
  texts: Record<string, string>
  /** Where each value was written, and what it overrides. */
  origins: () => RecipeOrigin[]
  /** Where a recipe may lie that is merged on top; may hold expressions with variables. */
  overlay: string | undefined
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
  /** With `exit`: so many failures within that time, and the container is held. */
  holdAfter: { failures: number; withinMs: number } | undefined
  main: RecipeMain | undefined
  health: RecipeHealth | undefined
  pipelines: Partial<Record<PipelineName, RecipeStep[]>>
}

export interface RecipeOrigin {
  /** `boot.volume.with.candidates`: steps by their ids. */
  path: string
  at: Position
  /** Where the values stood that it took the place of, the nearest first. */
  overrides: Position[]
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
  ready: RecipeReady | undefined
}

/** How main shows that it can be used: exactly one of `http`, `tcp` and `file`. Texts may hold expressions, with outputs of the boot. */
export interface RecipeReady {
  /** A URL that answers with 200 to 399. */
  http: string | undefined
  /** `host:port` that takes connections. */
  tcp: string | undefined
  file: string | undefined
  timeoutMs: number | undefined
}

/** Texts are `host:port` and may hold expressions, with variables but no outputs. */
export interface RecipeHealth {
  listen: string | undefined
  /** Main's own address, where a page shows how the boot gets on until main starts. */
  progress: string | undefined
}

/** A lease that pods agree on. */
export interface RecipeLock {
  /** Its file; may hold expressions. */
  file: string
  /** Undefined where the recipe leaves it to the runner. */
  ttlMs: number | undefined
  /** How long it is waited for at most; undefined as `ttlMs`. */
  waitMs: number | undefined
  onBusy: 'wait' | 'skip' | 'fail'
}

export interface RecipeStep {
  id: string
  name: string
  /** Exactly one of `uses`, `run` and `anyOf`. */
  uses: { name: string; definition: StepDefinition } | undefined
  run: string | undefined
  /**
   * The rungs of a ladder, the first to be tried first. They have no `needs`, are not optional, and their own ids; others name the ladder,
   * whose outputs are those of the rung that ended well.
   */
  anyOf: RecipeStep[] | undefined
  /** The script that takes back what `run` did. Its expressions see what those of `run` do, and the step's own outputs. */
  undo: string | undefined
  /** It starts after main was started, in the order of the deferred steps; no other step of the boot needs it. */
  defer: boolean
  lock: RecipeLock | undefined
  /** What its failure means, for readers. */
  explain: string | undefined
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
