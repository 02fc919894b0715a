import { relative } from 'node:path'
import type { Position } from '@berth/core/error'
import type { LoadedRecipe } from './load.ts'
import type { Style } from './reporters/symbols.ts'

/** Where one value of a recipe comes from. */
export interface ExplainedValue {
  /** `boot.volume.with.candidates`. */
  path: string
  /** `pod.yaml:14:9`; of a variable that was set from outside, what set it. */
  from: string
  /** What the value took the place of, the nearest first. */
  overrides: string[]
}

/** Says of each value of a recipe where it was written, and of each variable what gives it its value. */
export function explainValues(
  { recipe }: Pick<LoadedRecipe, 'recipe'>,
  { set, env }: { set: Record<string, string>; env: NodeJS.ProcessEnv },
): ExplainedValue[] {
  const written = recipe.origins().map(({ path, at, overrides }) => ({
    path,
    from: placeText(at),
    overrides: overrides.map(placeText),
  }))
  const outside = Object.entries(recipe.vars).flatMap(([name, { env: variable, at }]) => {
    const from = set[name]
      ? `--set ${name}`
      : variable !== undefined && env[variable]
        ? `the environment variable ${variable}`
        : undefined
    if (from === undefined) return []
    return [{ path: `vars.${name}`, from, overrides: [placeText(at)] }]
  })
  return [...outside, ...written]
}

/** The explanation as lines to print, one for each value. */
export function explanationText(values: readonly ExplainedValue[], style: Style): string {
  if (values.length === 0) return ''
  const width = Math.max(...values.map(({ path }) => path.length))
  const lines = values.map(({ path, from, overrides }) => {
    const tail = overrides.length === 0 ? '' : style.dim(` overrides ${overrides.join(', ')}`)
    return `  ${path.padEnd(width)}  ${from}${tail}`
  })
  return `${[style.step('values'), ...lines].join('\n')}\n`
}

function placeText({ file, line, column }: Position): string {
  const near = relative(process.cwd(), file)
  return `${near.startsWith('..') ? file : near}:${line}:${column}`
}
