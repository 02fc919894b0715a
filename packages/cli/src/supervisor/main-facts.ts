import {
  createMask,
  credentialVariables,
  evaluateText,
  outputFile,
  type RecipeMain,
} from '@berth/core'
import type { HealthFacts } from '../health/health.ts'
import type { LoadedRecipe } from '../load.ts'
import type { MainFacts } from './protocol.ts'
import type { ReadyFacts } from './readiness.ts'

/**
 * Evaluates how main is to be started, with the outputs of the boot that has ended. A command after `--` is taken word for word.
 * Throws `recipe/expression`.
 */
export async function evaluateMain(
  { recipe, values, platform }: LoadedRecipe,
  stateDirectory: string,
  commandLine: string[] | undefined,
): Promise<MainFacts> {
  const { main } = recipe
  const context = {
    ...values,
    platform,
    steps: await outputFile(stateDirectory).read(),
    status: 'success' as const,
  }
  const evaluate = (text: string): string => evaluateText(text, context)
  const own = Object.entries(main?.env ?? {}).map(([name, text]) => [name, evaluate(text)])
  const command = commandLine ?? main?.command?.map(evaluate) ?? []
  const mask = createMask({ ...credentialVariables(values.env), ...values.secrets })
  const directory = main?.workingDirectory
  return {
    command,
    shown: command.map(mask.text),
    workingDirectory: directory === undefined ? undefined : evaluate(directory),
    env: { ...recipeEnvironment(recipe.env, values.env), ...Object.fromEntries(own) },
    user: main?.user === undefined ? undefined : evaluate(main.user),
    stopSignal: main?.stopSignal ?? 'SIGTERM',
    ready: main?.ready === undefined ? undefined : readyFacts(main.ready, evaluate),
  }
}

function readyFacts(
  { http, tcp, file, timeoutMs }: NonNullable<RecipeMain['ready']>,
  evaluate: (text: string) => string,
): ReadyFacts {
  const known = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : evaluate(text)
  return { http: known(http), tcp: known(tcp), file: known(file), timeoutMs }
}

/** Where the container says how it gets on; nothing has run by then. Throws `recipe/expression`. */
export function healthFacts({ recipe, values, platform }: LoadedRecipe): HealthFacts | undefined {
  if (recipe.health === undefined) return undefined
  const context = { ...values, platform, steps: {}, status: 'success' as const }
  const { listen, progress } = recipe.health
  return {
    listen: listen === undefined ? undefined : evaluateText(listen, context),
    progress: progress === undefined ? undefined : evaluateText(progress, context),
  }
}

/** Of the evaluated environment the recipe's own part; main has the rest from the supervisor. */
function recipeEnvironment(
  declared: Record<string, string>,
  values: Record<string, string>,
): Record<string, string> {
  return Object.fromEntries(Object.keys(declared).map((name) => [name, values[name] ?? '']))
}
