import { resolve } from 'node:path'
import { readRecipe } from '@berth/core'
import { BerthError } from '@berth/core/error'
import { loadRecipe } from '../load.ts'
import { outputMask } from '../output-mask.ts'
import { plugins } from '../plugins.ts'
import { styleFor } from '../reporters/symbols.ts'
import { Ground, requireValues } from './ground.ts'
import { refuseOutside } from './kept-directories.ts'
import { playBuilds } from './play-builds.ts'
import { type Place, scenariosFor } from './scenario.ts'
import { playPods, type SmokeResult } from './smoke.ts'
import { smokeRow } from './smoke-text.ts'

export interface SmokeRequest {
  file: string
  /** `--set`. */
  given: Record<string, string>
  /** Names of scenarios; all of them when there are none. */
  only: readonly string[]
  /** The app. */
  command: readonly string[]
  bootMs: number
  strict: boolean
  allowOutside: boolean
  json: boolean
  signal: AbortSignal
}

/** Plays a recipe and prints how each scenario went. Resolves with whether all is as it should be. Throws where it can't be played. */
export async function runSmoke(request: SmokeRequest): Promise<boolean> {
  const { file, given, json } = request
  const recipe = await readRecipe(file, plugins)
  const { boot, shutdown, build } = recipe.pipelines
  if ((boot ?? shutdown ?? build) === undefined) {
    throw new BerthError('cli/no-such-pipeline', `\`${file}\` has nothing to boot or to build`, {
      hint: 'give it a `boot:`, a `shutdown:` or a `build:`',
    })
  }
  const { pods, builds } = scenariosFor(recipe.pipelines, request.only)
  const ground = new Ground(recipe, given)
  const results: SmokeResult[] = []
  const mask = outputMask()
  const style = styleFor(process.stdout)
  try {
    const load = (place: Place) =>
      loadRecipe({ file, set: ground.set(place), env: ground.env(place) })
    const [first] = [...pods, ...builds]
    if (first !== undefined) {
      requireValues(recipe, ground.set(first))
      const loaded = await load(first)
      if (!request.allowOutside) refuseOutside(loaded, ground.directory, Object.values(given))
    }
    const played = { ...request, recipe: resolve(file), ground, load }
    for (const part of [playPods(pods, played), playBuilds(builds, played)]) {
      for await (const result of part) {
        results.push(result)
        if (!json) process.stdout.write(mask.text(smokeRow(result, style)))
      }
    }
  } finally {
    const kept = ground.clear()
    if (kept !== undefined) process.stderr.write(`⚠ ${kept}\n`)
  }
  const ok = results.every((result) => result.ok)
  if (json) {
    const answer = mask.value({ recipe: recipe.name, ok, scenarios: results })
    process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`)
  }
  return ok
}
