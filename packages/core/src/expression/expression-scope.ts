import { z } from 'zod'
import type { Order } from '../recipe/check-order.ts'
import type { PipelineName } from '../event.ts'
import { nodeAt, textAt, type Path, type RecipeNode } from '../recipe/recipe-node.ts'
import type { StepDraft } from '../recipe/step-draft.ts'
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
}

const everywhere = ['vars', 'env', 'platform'] as const
const inSteps = [...everywhere, 'secrets', 'steps', 'pipeline'] as const

/** The scope of the text at a path; `text` where nothing is evaluated, and `any` where texts are for people. */
export function scopeAt(path: Path, sources: ScopeSources): Scope | 'text' | 'any' {
  const [first, second, third] = path
  if (first === 'description' || (first === 'vars' && third === 'description')) {
    return 'any'
  }
  const draft = sources.drafts.find((step) => step.path.every((key, index) => path[index] === key))
  if (draft) {
    return stepScope(draft, path.slice(draft.path.length), sources)
  }
  const names = declared(sources.root)
  const steps = new Map<string, ScopedStep>()
  const base = { bare: false, ...names, secretEnv: names.secrets, steps }
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
      steps: scopedSteps(sources, (step) => step.pipeline === 'boot'),
      ...(second === 'env' ? {} : { secretsRefused: 'argv' as const }),
    }
  }
  return 'text'
}

const mainKeys = new Set(['command', 'working-directory', 'user', 'env'])

function stepScope(draft: StepDraft, rest: Path, sources: ScopeSources): Scope | 'text' {
  const key = String(rest[0])
  if (!['with', 'env', 'run', 'working-directory', 'if'].includes(key)) {
    return 'text'
  }
  const names = declared(sources.root)
  const before = stepsBefore(draft.id, sources.orders[draft.pipeline])
  return {
    place: `\`${key}\` of the step \`${draft.id}\``,
    pipeline: draft.pipeline,
    contexts: inSteps,
    bare: key === 'if',
    ...names,
    secretEnv: [...names.secrets, ...secretEnv(draft)],
    steps: scopedSteps(
      sources,
      (step) =>
        (step.pipeline === draft.pipeline && before.has(step.id)) ||
        (step.pipeline === 'boot' && draft.pipeline === 'shutdown'),
    ),
    ...(key === 'run' ? { secretsRefused: 'argv' as const } : {}),
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
