export { z } from 'zod'
export {
  BerthError,
  errorFacts,
  isBerthError,
  type BerthErrorDetails,
  type ErrorFacts,
  type Position,
} from './error.ts'
export type {
  BerthEvent,
  Emit,
  LogLevel,
  NewEvent,
  PipelineName,
  PipelineResult,
  Progress,
  StepPhase,
  StepResult,
} from './event.ts'
export {
  done,
  skipped,
  unchanged,
  type Facts,
  type FactValue,
  type Outcome,
} from './plugin/outcome.ts'
export {
  definePlugin,
  defineStep,
  type PlannedAction,
  type Plugin,
  type PluginRegistry,
  type StepContext,
  type StepDefinition,
  type StepLog,
  type UndoContext,
} from './plugin/plugin.ts'
export type { Recipe, RecipeMain, RecipeStep, VarDeclaration } from './recipe/recipe.ts'
export { asUserError, attemptEach, type Attempts } from './run/attempt-each.ts'
export { checkKnownInputs, type KnownInputsQuestion } from './recipe/check-known-inputs.ts'
export { checkRecipe, readRecipe } from './recipe/check-recipe.ts'
export { overlayOf } from './recipe/overlay.ts'
export { directoryList } from './plugin/directory-list.ts'
export { duration } from './plugin/duration.ts'
export { evaluateInputs } from './run/evaluate-inputs.ts'
export {
  evaluateCondition,
  evaluateExpression,
  evaluateText,
  evaluateValue,
  type ExpressionContext,
} from './expression/expression.ts'
export { parseDuration } from './plugin/parse-duration.ts'
export { didYouMean, suggest } from './suggest.ts'
export { textInput } from './plugin/text-input.ts'
export {
  resolveValues,
  type RecipeValues,
  type ValueSources,
  type VarValue,
} from './recipe/values.ts'

// The running half: runner, shell, journal, secrets.
export { systemClock, type Clock } from './run/clock.ts'
export { describeExit } from './command/exit-code.ts'
export { findProgram } from './command/find-shell.ts'
export { openJournal, type Journal, type UndoIntent } from './run/journal.ts'
export { createMask, credentialVariables, type Mask, type MaskStream } from './mask/mask.ts'
export { outputFile, type OutputFile, type StepRecord, type StepRecords } from './run/outputs.ts'
export { planPipeline, type PlannedStep, type PlanOptions } from './run/plan-pipeline.ts'
export { endProcessGroup } from './command/process-group.ts'
export { runPipeline, type PipelineOptions, type PipelineOutcome } from './run/run-pipeline.ts'
export type { StepEnd } from './run/step-end.ts'
export type { AcquireLease } from './run/step-lock.ts'
export { Secret } from './mask/secret.ts'
export { quoteArgument } from './command/shell.ts'
export {
  commandFailed,
  spawnCommand,
  type CommandEnd,
  type CommandOptions,
} from './command/spawn-command.ts'
export { undoAll, type UndoOptions, type UndoOutcome } from './run/undo.ts'
export type { UndoEnd } from './run/undo-one.ts'
