import {
  evaluateText,
  isBerthError,
  type BerthError,
  type Recipe,
  type RecipeStep,
} from '@berth/core'
import type { LoadedRecipe } from '../load.ts'
import { plugins } from '../plugins.ts'
import { findUser } from './user.ts'

/**
 * That there is no such user as main's, as far as that is known before the boot; `undefined` where there is one, or only the boot can
 * tell. `commandLine` is what came after `--`.
 */
export function findUserProblem(
  { recipe, values, platform }: LoadedRecipe,
  commandLine: string[] | undefined,
): BerthError | undefined {
  const { user, command } = recipe.main ?? {}
  if (user === undefined || (commandLine ?? command) === undefined) return undefined
  if (/\bsteps\b/.test(user)) return undefined
  try {
    const context = { ...values, platform, steps: {}, status: 'success' as const }
    findUser(evaluateText(user, context))
    return undefined
  } catch (error) {
    if (!isBerthError(error)) throw error
    return error
  }
}

/** Whether the boot has a script, which can make what is not there yet; no plugin of ours makes users. */
export function mayMakeUsers({ pipelines }: Recipe): boolean {
  const runsScript = ({ run, uses, anyOf = [] }: RecipeStep): boolean =>
    run !== undefined || (uses !== undefined && !isOwn(uses.name)) || anyOf.some(runsScript)
  return (pipelines.boot ?? []).some(runsScript)
}

function isOwn(name: string): boolean {
  return Object.hasOwn(plugins, name.split('/')[0] ?? '')
}
