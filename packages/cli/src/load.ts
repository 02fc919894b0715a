import { resolve } from 'node:path'
import {
  type AcquireLease,
  BerthError,
  checkKnownInputs,
  type ExpressionContext,
  isBerthError,
  overlayOf,
  type PipelineName,
  readRecipe,
  type Recipe,
  type RecipeValues,
  resolveValues,
  type ValueSources,
} from '@berth/core'
import { detectPlatform, type PlatformFacts } from '@berth/platform'
import { hideVariables } from './output-mask.ts'
import { noAnswer, requireAnswer } from './overlay-volume.ts'
import { plugins } from './plugins.ts'

/** A recipe with everything that its expressions can see before a step has run. */
export interface LoadedRecipe {
  recipe: Recipe
  values: RecipeValues
  platform: ExpressionContext['platform']
  platformFacts: PlatformFacts
  /** For steps with a `lock`. */
  acquireLease: AcquireLease
  /** What is wrong with the overlay that was left out; the result is degraded at best. */
  brokenOverlay: BerthError | undefined
  /** The texts of all its files, for the `kept` of another process. */
  kept: string
}

export interface LoadRequest {
  file: string
  /** What an earlier process read, to use in the place of the files. */
  kept?: string | undefined
  set: Record<string, string>
  env: NodeJS.ProcessEnv
  /** The pipelines whose inputs are checked as far as they are known. */
  check?: readonly PipelineName[]
  /** Leaves an overlay out that is broken, rather than refuse the recipe. */
  mayLeaveOutOverlay?: boolean
}

/**
 * Reads and validates a recipe with its overlay, and gives its variables their values. Throws BerthErrors `recipe/…`; nothing has run
 * by then.
 */
export async function loadRecipe(request: LoadRequest): Promise<LoadedRecipe> {
  const { file, set, env } = request
  const texts = request.kept === undefined ? undefined : (JSON.parse(request.kept) as Texts)
  const [image, platformFacts] = await Promise.all([
    readRecipe(file, plugins, { texts }),
    detectPlatform({ env }),
  ])
  const platform = expressionPlatform(platformFacts)
  const complete = (recipe: Recipe, brokenOverlay?: BerthError): LoadedRecipe => {
    hideVariables(recipe.secrets)
    const values = resolveValues(recipe, { env, set, platform })
    checkKnownInputs({ recipe, values, platform, pipelines: request.check ?? [] })
    const kept = JSON.stringify(recipe.texts)
    return { recipe, values, platform, platformFacts, acquireLease, brokenOverlay, kept }
  }
  const overlay = overlayFile(image, { env, set, platform })
  // One that has come since the texts were kept counts as none.
  const hasCome = overlay !== undefined && texts !== undefined && texts[overlay] === undefined
  if (overlay === undefined || hasCome) return complete(image)
  try {
    // What was kept is read from no volume.
    if (texts === undefined) await requireAnswer(overlay)
    const known = { ...texts, ...image.texts }
    return complete(await readRecipe(file, plugins, { overlay, texts: known }))
  } catch (error) {
    if (!isBerthError(error) || request.mayLeaveOutOverlay !== true) throw error
    return complete(image, overlayProblem(overlay, error))
  }
}

// Most recipes have no lock to load it for.
const acquireLease: AcquireLease = async (settings) =>
  (await import('@berth/filesystem')).acquireLease(settings)

type Texts = Recipe['texts']

function overlayFile(recipe: Recipe, sources: ValueSources): string | undefined {
  const { BERTH_OVERLAY: file } = sources.env
  return file ? resolve(file) : overlayOf(recipe, sources)
}

function overlayProblem(overlay: string, cause: BerthError): BerthError {
  const message = `could not use the overlay \`${overlay}\`: the pod goes on without it`
  const hint =
    cause.code === noAnswer
      ? 'bring its volume back, then start the pod again'
      : `correct it; \`berth validate RECIPE --overlay ${overlay}\` checks it`
  const { code, message: reason, hint: cure, at, excerpt } = cause
  const own = new BerthError(code, reason, {
    ...(cure === undefined ? {} : { hint: cure }),
    ...(at === undefined ? {} : { at }),
    ...(excerpt === undefined ? {} : { excerpt }),
  })
  const problems = cause.problems.length > 0 ? cause.problems : [own]
  return new BerthError('cli/broken-overlay', message, { hint, problems, cause })
}

/** What `platform.…` in a recipe can name: of the facts those that are text or true/false, numbers as text. */
function expressionPlatform(facts: PlatformFacts): ExpressionContext['platform'] {
  const platform: ExpressionContext['platform'] = {}
  for (const name of Object.keys(facts) as (keyof PlatformFacts)[]) {
    const get = (): string | boolean => {
      const value = facts[name]
      return typeof value === 'boolean' ? value : String(value ?? '')
    }
    // Not before a recipe asks for it: one of them takes longer to find out than all the rest.
    Object.defineProperty(platform, name, { get, enumerable: true })
  }
  return platform
}
