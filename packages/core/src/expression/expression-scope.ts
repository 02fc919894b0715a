import { z } from 'zod'
import type { Order } from '../recipe/check-order.ts'
import type { PipelineName } from '../event.ts'
import { nodeAt, textAt, type Path, type RecipeNode } from '../recipe/recipe-node.ts'
import { isDeferred, type StepDraft } from '../recipe/step-draft.ts'
import { stepsBefore } from '../recipe/needs.ts'
import type { ContextName } from './parse-expression.ts'

/** What an expression at one place of a recipe may name. */
export interface Scope {
  /** The place in words: `` `run` of the step `venv` ``. */
  place: string
  /** The pipeline of its step; undefined outside of pipelines. */
  pipeline?: PipelineName
  contexts: readonly ContextName[]
  /** Why secrets are refused although other names are not: a process list, or every step, would see them. */
  secretsRefused?: 'argv' | 'everyone'
  /** A bare expression, with the functions about the pipeline's status. */
  bare: boolean
  vars: readonly string[]
  secrets: readonly string[]
  inputs: readonly string[]
  /** Environment variables that hold a secret at this place. */
  secretEnv: readonly string[]
  steps: ReadonlyMap<string, ScopedStep>
}

export interface ScopedStep {
  pipeline: PipelineName
  /** It has ended by the time the expression is evaluated. */
  ended: boolean
  /** Undefined where the step's outputs aren't listed anywhere. */
  outputs: readonly string[] | undefined
}

export interface ScopeSources {
  root: RecipeNode
  drafts: readonly StepDraft[]
  orders: Record<PipelineName, Order>
  /** The names of a plugin's inputs, when these are its own steps: all that they see but their environment and each other. */
  inputs?: readonly string[] | undefined
}

const everywhere = ['vars', 'env', 'platform'] as const
const inPlugins = ['inputs', 'env', 'steps', 'secrets', 'pipeline'] as const
const inSteps = [...everywhere, 'secrets', 'steps', 'pipeline'] as const

/** The scope of the text at a path; `text` where nothing is evaluated, and `any` where texts are for people. */
export function scopeAt(path: Path, sources: ScopeSources): Scope | 'text' | 'any' {
  const [first, second, third] = path
  if (first === 'description' || (first === 'vars' && third === 'description')) {
    return 'any'
  }
  const holds = (step: StepDraft) => step.path.every((key, index) => path[index] === key)
  const draft = sources.drafts.find(holds)
  if (draft) {
    const rung = draft.rungs?.find(holds)
    const written = rung ?? draft
    return stepScope(written, path.slice(written.path.length), { ...sources, item: draft })
  }
  const names = declared(sources.root)
  const steps = new Map<string, ScopedStep>()
  const base = { bare: false, ...names, inputs: [], secretEnv: names.secrets, steps }
  if (sources.inputs !== undefined) {
    return first === 'outputs' && third === 'value'
      ? {
          ...base,
          place: `\`outputs.${String(second)}\``,
          contexts: inPlugins,
          inputs: sources.inputs,
          steps: scopedSteps(sources, () => true),
        }
      : 'any'
  }
  if (first === 'health' || first === 'overlay') {
    const place = path.map(String).join('.')
    return { ...base, place: `\`${place}\``, contexts: everywhere, secretsRefused: 'argv' }
  }
  const isEnv = first === 'env' || (first === 'defaults' && second === 'env')
  if (isEnv || (first === 'defaults' && second === 'working-directory')) {
    const place = path.map(String).join('.')
    return { ...base, place: `\`${place}\``, contexts: everywhere, secretsRefused: 'everyone' }
  }
  if (first === 'main' && mainKeys.has(String(second))) {
    return {
      ...base,
      place: `\`main.${String(second)}\``,
      contexts: [...everywhere, 'secrets', 'steps'],
      steps: scopedSteps(sources, ({ pipeline, node }) => pipeline === 'boot' && !isDeferred(node)),
      ...(second === 'env' ? {} : { secretsRefused: 'argv' as const }),
    }
  }
  return 'text'
}

const mainKeys = new Set(['command', 'working-directory', 'user', 'env', 'ready'])
const stepKeys = new Set(['with', 'env', 'run', 'undo', 'working-directory', 'if', 'lock'])

interface ItemSources extends ScopeSources {
  /** The step itself, or the ladder that it is a rung of. */
  item: StepDraft
}

function stepScope(draft: StepDraft, rest: Path, sources: ItemSources): Scope | 'text' {
  const key = String(rest[0])
  if (!stepKeys.has(key)) {
    return 'text'
  }
  const { item } = sources
  const names = declared(sources.root)
  const before = stepsBefore(item.id, sources.orders[draft.pipeline])
  if (key === 'undo') before.add(item.id)
  // What the others of a plugin found is forgotten by then.
  const seen = key === 'undo' && sources.inputs !== undefined ? new Set([item.id]) : before
  return {
    place: `\`${key}\` of the step \`${draft.id}\``,
    pipeline: draft.pipeline,
    contexts: sources.inputs === undefined ? inSteps : inPlugins,
    inputs: sources.inputs ?? [],
    bare: key === 'if',
    ...names,
    secretEnv: [...names.secrets, ...secretEnv(draft)],
    steps: scopedSteps(
      sources,
      (step) =>
        (step.pipeline === draft.pipeline && seen.has(step.id)) ||
        (step.pipeline === 'boot' && draft.pipeline === 'shutdown'),
    ),
    ...(['run', 'undo', 'lock'].includes(key) ? { secretsRefused: 'argv' as const } : {}),
  }
}

/** The variables of a step's own `env` that are made of secrets. */
function secretEnv({ node }: StepDraft): string[] {
  const env = nodeAt(node, ['env'])
  const names = env?.kind === 'map' ? [...env.entries.keys()] : []
  return names.filter((name) => /\bsecrets\b/i.test(textAt(env, [name]) ?? ''))
}

/** The variables and secrets that a recipe declares. */
export function declared(root: RecipeNode): { vars: string[]; secrets: string[] } {
  const vars = nodeAt(root, ['vars'])
  const secrets = nodeAt(root, ['secrets'])
  return {
    vars: vars?.kind === 'map' ? [...vars.entries.keys()] : [],
    secrets:
      secrets?.kind === 'list' ? secrets.items.flatMap((item) => textAt(item, []) ?? []) : [],
  }
}

function scopedSteps(
  sources: ScopeSources,
  hasEnded: (step: StepDraft) => boolean,
): Map<string, ScopedStep> {
  const steps = new Map<string, ScopedStep>()
  for (const draft of sources.drafts) {
    // `build` may use an id again; the step that has ended is the one that is meant.
    const ended = hasEnded(draft)
    if (ended || !steps.has(draft.id)) {
      steps.set(draft.id, { pipeline: draft.pipeline, ended, outputs: outputNames(draft) })
    }
  }
  return steps
}

/** The names of a step's outputs, or undefined where they can't be known. */
export function outputNames(draft: StepDraft): string[] | undefined {
  if (draft.rungs) {
    const names = draft.rungs.map(outputNames)
    return names.includes(undefined)
      ? undefined
      : [...new Set([...names.flatMap((each) => each ?? []), 'chosen'])]
  }
  if (draft.uses) {
    const { outputs } = draft.uses.definition
    return outputs instanceof z.ZodObject ? Object.keys(outputs.shape) : undefined
  }
  if (!draft.node.entries.has('run')) {
    return undefined
  }
  const list = nodeAt(draft.node, ['outputs'])
  return list?.kind === 'list' ? list.items.flatMap((item) => textAt(item, []) ?? []) : []
}
