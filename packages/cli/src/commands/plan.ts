import type { ExpressionContext, PipelineName, PlannedStep } from '@berth/core'
import { defineCommand } from '../command.ts'
import { explainValues, explanationText } from '../explain-values.ts'
import { exitCodes } from '../exit-codes.ts'
import { type LoadedRecipe, loadRecipe } from '../load.ts'
import { overlayOption, withOverlay } from '../overlay-option.ts'
import { missingPipeline, parsePipeline } from '../pipeline-name.ts'
import { errorDetails, printable } from '../reporters/error-text.ts'
import { type Style, styleFor } from '../reporters/symbols.ts'
import { parseSettings, setOption } from '../settings.ts'
import { shutdownWarnings } from '../supervisor/shutdown-forecast.ts'

export const plan = defineCommand({
  usage: 'plan RECIPE [PIPELINE] [--set KEY=VALUE]… [--overlay FILE] [--explain]',
  description: 'Says what each step would do now, and why. Writes nothing.',
  positionals: [1, 2],
  options: {
    set: setOption,
    overlay: overlayOption,
    explain: {
      type: 'boolean',
      describe: 'say where each value was written, and what it overrides',
    },
    json: { type: 'boolean', describe: 'print the plan as JSON' },
  },
  run: async ({ positionals, values }) => {
    const [file = '', name] = positionals
    const wanted = name === undefined ? undefined : parsePipeline(name)
    const set = parseSettings(values.set)
    const env = withOverlay(process.env, values.overlay)
    const loaded = await loadRecipe({ file, set, env })
    const { planPipeline } = await import('@berth/core')
    const present = (['boot', 'shutdown', 'build'] as const).filter(
      (pipeline) => loaded.recipe.pipelines[pipeline] !== undefined,
    )
    if (wanted !== undefined && !present.includes(wanted)) throw missingPipeline(file, wanted)
    const plans: Partial<Record<PipelineName, PlannedStep[]>> = {}
    const steps: ExpressionContext['steps'] = {}
    for (const pipeline of present) {
      // The shutdown's steps name what the boot found, so the boot is planned for them too.
      if (wanted !== undefined && pipeline !== wanted && pipeline !== 'boot') continue
      const planned = await planPipeline({ ...loaded, pipeline, steps })
      if (wanted === undefined || pipeline === wanted) plans[pipeline] = planned
      for (const { id, facts } of planned) {
        if (facts !== undefined) steps[id] = { outputs: facts, result: 'done' }
      }
    }
    const explained = values.explain ? explainValues(loaded, { set, env }) : undefined
    const ofSteps = Object.values(plans).flatMap((steps) => steps.flatMap(stepWarnings))
    const ofGrace = plans.shutdown === undefined ? [] : await warningsOf(loaded, env)
    const warnings = [...new Set(ofSteps), ...ofGrace]
    const data = { recipe: loaded.recipe.name, pipelines: plans, warnings, values: explained }
    const style = styleFor(process.stdout)
    const warned = warnings.map((text) => `${style.symbol('warning')} ${text}\n`).join('')
    const text = planText(plans, style) + warned + explanationText(explained ?? [], style)
    process.stdout.write(values.json ? `${JSON.stringify(data, undefined, 2)}\n` : text)
    const failed = Object.values(plans)
      .flat()
      .some(({ error, optional }) => error !== undefined && !optional)
    return failed ? exitCodes.failed : exitCodes.right
  },
})

function stepWarnings({ warnings = [], rungs = [] }: PlannedStep): string[] {
  return [...warnings, ...rungs.flatMap((rung) => rung.warnings ?? [])]
}

async function warningsOf(
  { recipe, platformFacts }: LoadedRecipe,
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const { name, pipelines } = recipe
  const graceMs = recipe.graceMs ?? platformFacts.graceMs
  return shutdownWarnings({ name, steps: pipelines.shutdown ?? [], graceMs }, env)
}

function planText(plans: Partial<Record<PipelineName, PlannedStep[]>>, style: Style): string {
  const all = Object.values(plans).flat()
  const ids = all.flatMap(({ id, rungs = [] }) => [id, ...rungs.map((rung) => `- ${rung.id}`)])
  const width = Math.max(8, ...ids.map(({ length }) => length))
  return Object.entries(plans)
    .flatMap(([pipeline, steps]) => [
      style.step(pipeline),
      ...steps.flatMap((step) => rows(step, width, style)),
    ])
    .map((line) => `${line}\n`)
    .join('')
}

function rows(step: PlannedStep, width: number, style: Style): string[] {
  const notes = [step.optional ? ' (optional)' : '', step.deferred ? ' (after main)' : ''].join('')
  const rungs = (step.rungs ?? []).map((rung) => ({ ...rung, id: `- ${rung.id}` }))
  return [step, ...rungs].flatMap((each) => {
    const padding = ' '.repeat(Math.max(0, width - each.id.length))
    const first = `  ${style.step(each.id)}${padding}  ${each.action.padEnd(9)}  ${printable(each.summary)}`
    const details = each.error === undefined ? [] : errorDetails(each.error)
    return [first + style.dim(each === step ? notes : ''), ...details.map((line) => `  ${line}`)]
  })
}
