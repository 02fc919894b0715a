import { createRequire } from 'node:module'
import path from 'node:path'
import { BerthError } from '../error.ts'
import type { Plugin } from './plugin.ts'

/** Says whether `uses` names a step of an installed package: `@scope/package/step`. */
export function isPluginPackage(uses: string): boolean {
  return uses.startsWith('@')
}

/** The package that `uses` names, and the step in it; an empty one where it names none. */
export function packageOf(uses: string): { specifier: string; step: string } {
  const [scope = '', name = '', ...step] = uses.split('/')
  return { specifier: `${scope}/${name}`, step: step.join('/') }
}

/**
 * The plugin that an installed package exports, found from the folder of the recipe that names it, as Node would from a module there.
 * Throws `recipe/unknown-plugin` where it isn't installed, and `recipe/broken-plugin` where it can't be loaded or exports none.
 */
export function loadPackage(specifier: string, recipe: string): Plugin {
  const folder = path.dirname(path.resolve(recipe))
  // Not `import()`, which a single executable can't do; a package of ES modules is fine, unless it awaits something as it loads.
  const require = createRequire(path.join(folder, 'recipe.js'))
  const file = resolve(require, { specifier, folder })
  let exported: unknown
  try {
    exported = require(file)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `could not load the plugin \`${specifier}\` from ${file}: ${reason}`
    const hint = 'it must be compiled JavaScript that loads by itself'
    throw new BerthError('recipe/broken-plugin', message, { hint, cause })
  }
  const found = [exported, ...Object.values(exported ?? {})].find(isPlugin)
  if (found !== undefined) return found
  const message = `the package \`${specifier}\` at ${file} exports no plugin`
  const hint = 'export one object with `name`, `description` and `steps`'
  throw new BerthError('recipe/broken-plugin', message, { hint })
}

function resolve(
  require: NodeJS.Require,
  { specifier, folder }: { specifier: string; folder: string },
): string {
  try {
    return require.resolve(specifier)
  } catch (cause) {
    const message = `could not find the package \`${specifier}\` from ${folder}`
    const hint = `install it there: \`npm install ${specifier}\``
    throw new BerthError('recipe/unknown-plugin', message, { hint, cause })
  }
}

/** Its class may be another copy's, so that only what it has can be looked at. */
function isPlugin(value: unknown): value is Plugin {
  if (typeof value !== 'object' || value === null || !('steps' in value)) return false
  const { steps } = value
  return typeof steps === 'object' && steps !== null && Object.values(steps).every(isStep)
}

function isStep(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { inputs, outputs, plan, run } = value as Record<string, { safeParse?: unknown }>
  const areFunctions = [plan, run, inputs?.safeParse, outputs?.safeParse]
  return areFunctions.every((each) => typeof each === 'function')
}
