import type { Clock } from './clock.ts'
import type { Emit, PipelineName } from '../event.ts'
import type { ExpressionContext } from '../expression/expression.ts'
import type { Journal } from './journal.ts'
import type { Mask } from '../mask/mask.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { AcquireLease } from './step-lock.ts'
import type { RecipeValues } from '../recipe/values.ts'

/** What all steps of one run of a pipeline share. */
export interface PipelineRun {
  recipe: Recipe
  values: RecipeValues
  platform: ExpressionContext['platform']
  pipeline: PipelineName
  /** Masks. */
  emit: Emit
  /** For events whose texts have passed the mask already, such as the lines of a command. */
  emitMasked: Emit
  mask: Mask
  /** Milliseconds since the epoch. */
  deadline: number | undefined
  wasUsed: boolean
  periodic: boolean
  stateDirectory: string
  /** Where relative working directories start; absolute. */
  workingDirectory: string
  journal: Journal
  /** For `lock`; absent where nothing can take leases. */
  acquireLease: AcquireLease | undefined
  clock: Clock
}
