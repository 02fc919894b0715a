import type { ErrorFacts } from '../error.ts'
import type { StepResult } from '../event.ts'
import type { Facts } from '../plugin/outcome.ts'

/** How a step ended. */
export interface StepEnd {
  result: StepResult
  reason?: string
  facts?: Facts
  /** Those of the facts that later steps can see. */
  outputs?: Facts
  error?: ErrorFacts
  /** What the recipe says of its failure. */
  explain?: string
  /** It did not stop when it was told to, and may still be at work. */
  leftBehind?: true
}
