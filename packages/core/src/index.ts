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
export { checkRecipe, readRecipe } from './check-recipe.ts'
export { describeOptions } from './describe-options.ts'
export { duration, parseDuration } from './duration.ts'
export { evaluateInputs } from './evaluate-inputs.ts'
export {
  evaluateCondition,
  evaluateExpression,
  evaluateText,
  evaluateValue,
  type ExpressionContext,
} from './expression.ts'
export { recipeJsonSchema } from './json-schema.ts'
export { didYouMean, suggest } from './suggest.ts'
export { resolveValues, type RecipeValues, type ValueSources, type VarValue } from './values.ts'

// The running half: runner, shell, journal, secrets.
