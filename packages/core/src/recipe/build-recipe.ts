import path from 'node:path'
import type { Order } from './check-order.ts'
import { valueAt } from './check-inputs.ts'
import type { PipelineName } from '../event.ts'
import { outputNames } from '../expression/expression-scope.ts'
import type {
  Recipe,
  RecipeHealth,
  RecipeMain,
  RecipeReady,
  RecipeStep,
  VarDeclaration,
} from './recipe.ts'
import { originsOf } from './origins.ts'
import { keySpan, positionOf, type MapNode } from './recipe-node.ts'
import type { RecipeDocument } from './recipe-schema.ts'
import { pipelineNames, placeInStep, type StepDraft } from './step-draft.ts'
import type { StepDocument } from './step-schema.ts'
import { wholeExpression } from '../expression/template.ts'

/** A recipe in which nothing is wrong. */
export interface SoundRecipe {
  file: string
  /** Of every file that it is made of. */
  texts: Record<string, string>
  document: RecipeDocument
  root: MapNode
  drafts: readonly StepDraft[]
  orders: Record<PipelineName, Order>
}

/** Puts a sound recipe into the shape that the runner takes, defaults filled in. */
export function buildRecipe(sound: SoundRecipe): Recipe {
  const { file, texts, document, drafts, root } = sound
  const pipelines: Recipe['pipelines'] = {}
  for (const name of pipelineNames) {
    if (document[name] !== undefined) {
      const steps = drafts.filter(({ pipeline }) => pipeline === name)
      pipelines[name] = steps.map((draft) => buildStep(draft, sound))
    }
  }
  return {
    file,
    texts,
    origins: () => originsOf(root),
    overlay: document.overlay,
    directory: path.dirname(path.resolve(file)),
    name: document.name ?? path.parse(file).name,
    description: document.description,
    vars: buildVars(sound),
    secrets: [...new Set(document.secrets)],
    env: document.env ?? {},
    graceMs: document.grace,
    ...buildBootFailure(document['on-boot-failure']),
    main: document.main && buildMain(document.main),
    health: document.health && buildHealth(document.health),
    pipelines,
  }
}

/** A crash loop is told from a mishap within this time. */
const HOLD_WITHIN_MS = 60 * 60_000

function buildBootFailure(
  written: RecipeDocument['on-boot-failure'] = 'exit',
): Pick<Recipe, 'onBootFailure' | 'holdAfter'> {
  if (typeof written === 'string') return { onBootFailure: written, holdAfter: undefined }
  const { after, within = HOLD_WITHIN_MS } = written
  return { onBootFailure: 'exit', holdAfter: { failures: after, withinMs: within } }
}

function buildVars({ document, root }: SoundRecipe): Record<string, VarDeclaration> {
  return Object.fromEntries(
    Object.entries(document.vars ?? {}).map(([name, variable]) => [
      name,
      {
        env: variable.env,
        default: variable.default,
        required: variable.required ?? false,
        description: variable.description,
        at: positionOf(keySpan(root, ['vars', name])),
      },
    ]),
  )
}

function buildMain(main: NonNullable<RecipeDocument['main']>): RecipeMain {
  return {
    command: main.command,
    workingDirectory: main['working-directory'],
    env: main.env ?? {},
    user: main.user,
    stopSignal: main['stop-signal'] ?? 'SIGTERM',
    ready: main.ready && buildReady(main.ready),
  }
}

type ReadyDocument = NonNullable<NonNullable<RecipeDocument['main']>['ready']>

function buildReady({ http, tcp, file, timeout }: ReadyDocument): RecipeReady {
  return { http, tcp: addressOf(tcp, '127.0.0.1'), file, timeoutMs: timeout }
}

function buildHealth({ listen, progress }: NonNullable<RecipeDocument['health']>): RecipeHealth {
  return { listen: addressOf(listen, '0.0.0.0'), progress: addressOf(progress, '0.0.0.0') }
}

function addressOf(written: string | number | undefined, host: string): string | undefined {
  return typeof written === 'number' ? `${host}:${written}` : written
}

function buildStep(draft: StepDraft, sound: SoundRecipe): RecipeStep {
  const { document, orders } = sound
  const step = valueAt(document, draft.path) as StepDocument
  const defaults = document.defaults ?? {}
  // The defaults are for what acts: the rungs of a ladder have them.
  const { timeout: defaultTimeout, retry: defaultRetry } = draft.rungs ? {} : defaults
  const retry = { ...defaultRetry, ...step.retry }
  return {
    id: draft.id,
    name: step.name ?? nameOf(draft, step),
    uses: draft.uses,
    run: step.run,
    anyOf: draft.rungs?.map((rung) => buildStep(rung, sound)),
    undo: step.undo,
    defer: step.defer ?? false,
    lock: step.lock && {
      file: step.lock.file,
      ttlMs: step.lock.ttl,
      waitMs: step.lock.wait,
      onBusy: step.lock['on-busy'] ?? 'wait',
    },
    explain: step.explain,
    inputs: step.with ?? {},
    env: { ...defaults.env, ...step.env },
    if: conditionOf(step),
    needs: [...(orders[draft.pipeline].get(draft.id) ?? [])],
    optional: step.optional ?? false,
    retry: {
      attempts: retry.attempts ?? 1,
      initialMs: retry.initial ?? 1000,
      maxMs: retry.max ?? 30_000,
    },
    timeoutMs: step.timeout ?? defaultTimeout,
    everyMs: step.every,
    workingDirectory: step['working-directory'] ?? defaults['working-directory'],
    shell: step.shell ?? defaults.shell ?? 'bash',
    secrets: [...new Set(step.secrets)],
    outputs: outputNames(draft),
    at: positionOf(draft.node),
    positionOf: (place) => positionOf(placeInStep(draft.node, place)),
  }
}

function conditionOf(step: StepDocument): string | undefined {
  return step.if === undefined ? undefined : (wholeExpression(step.if) ?? String(step.if)).trim()
}

function nameOf(draft: StepDraft, step: StepDocument): string {
  if (draft.named || step.run === undefined) {
    return draft.named ? draft.id : (step.uses ?? draft.id)
  }
  return step.run.trim().split('\n', 1)[0]?.slice(0, 60) ?? draft.id
}
