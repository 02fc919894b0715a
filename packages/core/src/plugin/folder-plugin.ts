import { resolve } from 'node:path'
import { findProgram } from '../command/find-shell.ts'
import { BerthError } from '../error.ts'
import { evaluateCondition, evaluateText, evaluateValue } from '../expression/expression.ts'
import type { ExpressionContext } from '../expression/expression.ts'
import type { RecipeStep } from '../recipe/recipe.ts'
import { evaluateInputs } from '../run/evaluate-inputs.ts'
import { inputsSchema } from './input-schema.ts'
import { done, unchanged, type FactValue } from './outcome.ts'
import { defineStep, type StepContext, type StepDefinition, type UndoContext } from './plugin.ts'
import type { PluginFile } from './plugin-file.ts'
import { outputsSchema, typedOutputs } from './typed-outputs.ts'

/** A folder with a `plugin.yaml` in which nothing is wrong. */
export interface SoundPlugin {
  /** As `uses` names it. */
  name: string
  /** Absolute. */
  folder: string
  file: PluginFile
  /** Its steps; of a plugin with one script, that one. */
  steps: RecipeStep[]
}

type Inputs = Record<string, unknown>
type Basics = Omit<StepContext<Inputs>, 'willUndo' | 'progress'>

/** The step that a folder offers: its scripts, or its steps one after another. */
export function folderStep(plugin: SoundPlugin): StepDefinition {
  const { file, steps } = plugin
  const mayUndo = steps.some(({ undo, uses }) => undo !== undefined || uses?.definition.undo)
  return defineStep({
    description: file.description,
    inputs: inputsSchema(file.inputs ?? {}),
    outputs: outputsSchema(file.outputs ?? {}),
    reads: [...(file.secrets ?? []), ...steps.flatMap(({ uses }) => uses?.definition.reads ?? [])],
    plan: async (context) => {
      const basics = context as Basics
      refuseMissing(plugin, basics.env)
      if (await isThere(plugin, basics)) return { action: 'unchanged', summary: 'nothing to do' }
      const what = file.run === undefined ? steps.map(({ id }) => `\`${id}\``).join(', ') : 'it'
      return { action: 'run', summary: `runs ${what}` }
    },
    run: (context) => runSteps(plugin, context as StepContext<Inputs>),
    ...(mayUndo ? { undo: (context: UndoContext) => undoStep(plugin, context) } : {}),
  })
}

async function runSteps(plugin: SoundPlugin, context: StepContext<Inputs>) {
  refuseMissing(plugin, context.env)
  if (await isThere(plugin, context)) return unchanged('`check` found nothing to do')
  const steps: ExpressionContext['steps'] = {}
  for (const step of plugin.steps) {
    context.signal.throwIfAborted()
    const outer = { ...expressionsOf(plugin, context), steps }
    if (step.if !== undefined && !evaluateCondition(step.if, outer)) {
      steps[step.id] = { outputs: {}, result: 'skipped' }
      continue
    }
    const outputs = await runStep(plugin, step, { context, outer })
    steps[step.id] = { outputs, result: 'done' }
  }
  return done(outputsOf(plugin, { ...expressionsOf(plugin, context), steps }))
}

async function runStep(
  plugin: SoundPlugin,
  step: RecipeStep,
  { context, outer }: { context: StepContext<Inputs>; outer: ExpressionContext },
): Promise<Record<string, unknown>> {
  const env = environmentOf(step, context.env, outer)
  const inner = { ...outer, env }
  if (step.uses === undefined) {
    if (step.undo !== undefined) await context.willUndo({ script: step.id })
    return context.script({
      text: evaluateText(step.run ?? '', inner),
      shell: step.shell,
      env: { ...env, ...scriptEnvironment(plugin, context.inputs) },
      workingDirectory: directoryOf(step, context.workingDirectory, inner),
      keepAs: step.undo === undefined ? undefined : step.id,
    })
  }
  const { definition } = step.uses
  const outcome = await definition.run({
    ...context,
    inputs: evaluateInputs(step, inner),
    script: (script) => context.script({ ...script, keepAs: nested(step, script.keepAs) }),
    willUndo: (data) => context.willUndo({ step: step.id, data }),
  })
  return outcome.facts
}

async function undoStep(plugin: SoundPlugin, context: UndoContext): Promise<void> {
  const data = context.data as { script?: string; step?: string; data?: FactValue }
  const id = data.script ?? data.step
  const step = plugin.steps.find((each) => each.id === id)
  if (step === undefined) {
    const message = `could not take back \`${id}\` of \`${plugin.name}\`: it has no such step any more`
    const hint = 'run the undo with the plugin that the container was booted with'
    throw new BerthError('core/unknown-undo', message, { hint })
  }
  const inputs = context.inputs() as Inputs
  const written = step.undo === undefined ? {} : await context.kept(step.id)
  const steps = { [step.id]: { outputs: written, result: 'done' as const } }
  const outer = { ...expressionsOf(plugin, { ...context, inputs }), steps }
  const env = environmentOf(step, context.env, outer)
  const inner = { ...outer, env }
  if (step.uses !== undefined) {
    await step.uses.definition.undo?.({
      ...context,
      data: data.data ?? null,
      inputs: () => evaluateInputs(step, inner),
      kept: (name) => context.kept(nested(step, name) ?? name),
    })
    return
  }
  await context.script({
    text: evaluateText(step.undo ?? '', inner),
    shell: step.shell,
    env: { ...env, ...scriptEnvironment(plugin, inputs) },
    workingDirectory: directoryOf(step, context.workingDirectory, inner),
  })
}

/** The scripts of a plugin that is used within another have names of their own. */
function nested({ id }: RecipeStep, name: string | undefined): string | undefined {
  return name === undefined ? undefined : `${id}.${name}`
}

/** What the expressions of a plugin's own steps see, but for those steps. */
function expressionsOf(
  { file }: SoundPlugin,
  { inputs, env, pipeline }: Pick<Basics, 'inputs' | 'env' | 'pipeline'>,
): ExpressionContext {
  const secrets = (file.secrets ?? []).flatMap((name) => {
    const value = env[name]
    return value === undefined ? [] : [[name, value]]
  })
  return {
    vars: {},
    env,
    secrets: Object.fromEntries(secrets) as Record<string, string>,
    steps: {},
    platform: {},
    pipeline,
    inputs,
    status: 'success',
  }
}

function environmentOf(
  step: RecipeStep,
  env: Readonly<Record<string, string>>,
  context: ExpressionContext,
): Record<string, string> {
  const own = Object.entries(step.env).map(([name, text]) => [name, evaluateText(text, context)])
  return { ...env, ...(Object.fromEntries(own) as Record<string, string>) }
}

function directoryOf(step: RecipeStep, base: string, context: ExpressionContext): string {
  return resolve(base, evaluateText(step.workingDirectory ?? '', context))
}

/** `INPUT_WITH_UNDERSCORES` for each input: texts as they are, lists and maps as JSON; what wasn't given is not set. */
function scriptEnvironment({ folder }: SoundPlugin, inputs: Inputs): Record<string, string> {
  const values = Object.entries(inputs).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [
          [
            `INPUT_${name.toUpperCase().replaceAll('-', '_')}`,
            typeof value === 'object' ? JSON.stringify(value) : String(value),
          ],
        ],
  )
  return { ...(Object.fromEntries(values) as Record<string, string>), BERTH_PLUGIN: folder }
}

async function isThere(plugin: SoundPlugin, context: Basics): Promise<boolean> {
  const { check } = plugin.file
  if (check === undefined) return false
  const env = { ...context.env, ...scriptEnvironment(plugin, context.inputs) }
  const shell = context.$({ nothrow: true, quiet: true, env })
  const { exitCode } = await shell(Object.assign([check], { raw: [check] }))
  return exitCode === 0
}

function refuseMissing(plugin: SoundPlugin, env: Readonly<Record<string, string>>): void {
  const missing = (plugin.file.requires ?? []).filter(
    (command) => findProgram(command, env.PATH) === undefined,
  )
  if (missing.length === 0) return
  const names = missing.map((name) => `\`${name}\``).join(', ')
  const message = `could not run \`${plugin.name}\`: ${names} ${missing.length === 1 ? 'is' : 'are'} not in PATH`
  const hint = 'install what is missing in the image'
  throw new BerthError('core/missing-command', message, { hint })
}

function outputsOf(plugin: SoundPlugin, context: ExpressionContext) {
  const { file, name, steps } = plugin
  const outputs = file.outputs ?? {}
  if (file.run !== undefined) {
    return typedOutputs(name, outputs, context.steps[steps[0]?.id ?? '']?.outputs ?? {})
  }
  const values = Object.entries(outputs).flatMap(([output, { value }]) => {
    const found = value === undefined ? '' : evaluateValue(value, context)
    return found === '' || found === null ? [] : [[output, found]]
  })
  return typedOutputs(name, outputs, Object.fromEntries(values) as Record<string, unknown>)
}
