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
export { done, skipped, unchanged, type Facts, type FactValue, type Outcome } from './outcome.ts'
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
} from './plugin.ts'
export type { Recipe, RecipeMain, RecipeStep, VarDeclaration } from './recipe.ts'
export { asUserError, attemptEach, type Attempts } from './attempt-each.ts'
export { checkKnownInputs, type KnownInputsQuestion } from './check-known-inputs.ts'
export { checkRecipe, readRecipe } from './check-recipe.ts'
export { directoryList } from './directory-list.ts'
export { duration } from './duration.ts'
export { evaluateInputs } from './evaluate-inputs.ts'
export {
  evaluateCondition,
  evaluateExpression,
  evaluateText,
  evaluateValue,
  type ExpressionContext,
} from './expression.ts'
export { parseDuration } from './parse-duration.ts'
export { didYouMean, suggest } from './suggest.ts'
export { textInput } from './text-input.ts'
export { resolveValues, type RecipeValues, type ValueSources, type VarValue } from './values.ts'

// The running half: runner, shell, journal, secrets.
export { systemClock, type Clock } from './clock.ts'
export { describeExit } from './exit-code.ts'
export { findProgram } from './find-shell.ts'
export { openJournal, type Journal, type UndoIntent } from './journal.ts'
export { createMask, credentialVariables, type Mask, type MaskStream } from './mask.ts'
export { outputFile, type OutputFile, type StepRecord, type StepRecords } from './outputs.ts'
export { planPipeline, type PlannedStep, type PlanOptions } from './plan-pipeline.ts'
export { endProcessGroup } from './process-group.ts'
export { runPipeline, type PipelineOptions, type PipelineOutcome } from './run-pipeline.ts'
export type { StepEnd } from './run-step.ts'
export { Secret } from './secret.ts'
export { quoteArgument } from './shell.ts'
export {
  commandFailed,
  spawnCommand,
  type CommandEnd,
  type CommandOptions,
} from './spawn-command.ts'
export { undoAll, type UndoEnd, type UndoOptions, type UndoOutcome } from './undo.ts'
