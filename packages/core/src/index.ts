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

// The running half: runner, shell, journal, secrets.
