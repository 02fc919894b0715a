import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { evaluateValue, type RecipeStep } from '@berth/core'
import type { LoadedRecipe } from '../load.ts'

const markName = '.berth-smoke'

/** The directories that the steps of a recipe save, as its values have it now. */
export function keptDirectories(loaded: LoadedRecipe): string[] {
  const steps = Object.values(loaded.recipe.pipelines).flat()
  const found = steps.flatMap((step) => {
    const { from, directories, directory } = evaluated(step, loaded)
    if (step.uses?.name === 'shared-data/save' && Array.isArray(directories)) {
      return directories.map((name) => join(String(from), String(name)))
    }
    return step.uses?.name === 'venv-archive/save' ? [String(directory)] : []
  })
  return [...new Set(found)].filter(isAbsolute)
}

/** Leaves something in each directory that only a save and a restore can bring into the next pod. */
export function markDirectories(directories: readonly string[], mark: string): void {
  for (const directory of directories) {
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, markName), mark)
  }
}

/** The directories that lack what was left in them. */
export function unrestored(directories: readonly string[], mark: string): string[] {
  return directories.filter((directory) => {
    try {
      return readFileSync(join(directory, markName), 'utf8') !== mark
    } catch {
      return true
    }
  })
}

/**
 * Refuses a recipe whose steps name a place that no variable moves: a trial would write where real data lies. Throws
 * `cli/smoke-outside`. `given` are the values of `--set`, which are meant.
 */
export function refuseOutside(
  loaded: LoadedRecipe,
  ground: string,
  given: readonly string[],
): void {
  const isOutside = (text: string): boolean =>
    /^(\/|s3:|file:)/.test(text) &&
    !text.includes(ground) &&
    !given.some((value) => value !== '' && text.startsWith(value))
  for (const step of Object.values(loaded.recipe.pipelines).flat()) {
    if (step.uses === undefined) continue
    const outside = textsIn(evaluated(step, loaded)).find(isOutside)
    if (outside === undefined) continue
    throw new BerthError(
      'cli/smoke-outside',
      `\`${step.id}\` would use \`${outside}\`, which a trial must not touch`,
      {
        hint: 'put the place into a variable of the recipe, or give `--allow-outside` on a machine that may be written to',
        at: step.at,
      },
    )
  }
}

function evaluated({ inputs }: RecipeStep, loaded: LoadedRecipe): Record<string, unknown> {
  const { values, platform } = loaded
  const context = { ...values, platform, steps: {}, status: 'success' as const }
  return evaluateValue(inputs, context) as Record<string, unknown>
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(textsIn)
}
