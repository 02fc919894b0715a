import type { PipelineName, Recipe, RecipeStep } from '@berth/core'
import { formatDuration } from '../reporters/format.ts'

/** How steps of a kind are drawn; colours that can be read on light and on dark. */
const classes = [
  'classDef optional stroke-dasharray: 5 4',
  'classDef main stroke-width: 3px',
  'classDef rung opacity: 0.85',
]

const order: readonly PipelineName[] = ['build', 'boot', 'shutdown']

/**
 * A recipe as a flowchart of Mermaid: a group for each pipeline, an arrow for what a step waits for, dotted ones down a ladder, and main
 * between boot and shutdown. Only the pipelines that are named, all unless any is.
 */
export function recipeGraph(recipe: Recipe, only: readonly PipelineName[] = order): string {
  const pipelines = order.filter((name) => only.includes(name) && recipe.pipelines[name])
  const hasMain = pipelines.includes('boot') || pipelines.includes('shutdown')
  const deferred = pipelines.includes('boot') ? deferredOf(recipe) : []
  const lines = [
    'flowchart TD',
    ...pipelines.flatMap((name) => groupLines(name, stepsOf(recipe, name))),
    ...(hasMain && pipelines.length > 1 ? mainLines(recipe, pipelines) : []),
    ...(deferred.length > 0 ? ['  main --> deferred', ...groupLines('deferred', deferred)] : []),
    ...classes.map((line) => `  ${line}`),
  ]
  return `${lines.join('\n')}\n`
}

function stepsOf(recipe: Recipe, pipeline: PipelineName): RecipeStep[] {
  return (recipe.pipelines[pipeline] ?? []).filter(({ defer }) => !defer)
}

function deferredOf({ pipelines }: Recipe): RecipeStep[] {
  return (pipelines.boot ?? []).filter(({ defer }) => defer)
}

function groupLines(group: string, steps: readonly RecipeStep[]): string[] {
  const ids = new Set(steps.map(({ id }) => id))
  return [
    `  subgraph ${group}`,
    ...steps.flatMap((step) => stepLines(group, step)),
    ...steps.flatMap(({ id, needs }) =>
      needs
        .filter((need) => ids.has(need))
        .map((need) => `    ${nodeId(group, need)} --> ${nodeId(group, id)}`),
    ),
    '  end',
  ]
}

function stepLines(group: string, step: RecipeStep): string[] {
  const node = nodeId(group, step.id)
  const kind = step.optional ? ':::optional' : ''
  const label = quoted(labelOf(step))
  if (step.anyOf === undefined) return [`    ${node}[${label}]${kind}`]
  const rungs = step.anyOf.map((rung) => `${node}__${rung.id}`)
  return [
    `    ${node}{{${label}}}${kind}`,
    ...step.anyOf.map((rung, index) => `    ${rungs[index]}[${quoted(labelOf(rung))}]:::rung`),
    ...rungs.map((rung, index) => {
      return index === 0
        ? `    ${node} -.-> ${rung}`
        : `    ${rungs[index - 1]} -. refused .-> ${rung}`
    }),
  ]
}

function mainLines(recipe: Recipe, pipelines: readonly PipelineName[]): string[] {
  const rounds = (recipe.pipelines.shutdown ?? []).flatMap(({ id, everyMs }) =>
    everyMs === undefined ? [] : [`${id} every ${durationText(everyMs)}`],
  )
  const command = recipe.main?.command?.[0] ?? 'the app'
  return [
    `  main([${quoted(['main', command, ...rounds])}]):::main`,
    ...(pipelines.includes('boot') ? ['  boot --> main'] : []),
    ...(pipelines.includes('shutdown') ? ['  main --> shutdown'] : []),
  ]
}

/** Its id, what it does, and what bends its course. */
function labelOf(step: RecipeStep): string[] {
  const { id, uses, anyOf, name, retry, undo, lock } = step
  const what = uses?.name ?? (anyOf === undefined ? 'run' : 'any of')
  const bends = [
    ...(step.if === undefined ? [] : [`if ${step.if}`]),
    ...(retry.attempts > 1 ? [`${retry.attempts} attempts`] : []),
    ...(step.timeoutMs === undefined ? [] : [`timeout ${durationText(step.timeoutMs)}`]),
    ...(step.everyMs === undefined ? [] : [`every ${durationText(step.everyMs)}`]),
    ...(undo === undefined && uses?.definition.undo === undefined ? [] : ['undo']),
    ...(lock === undefined ? [] : ['lock']),
  ]
  return [
    id,
    what,
    ...(name === id ? [] : [name]),
    ...(bends.length === 0 ? [] : [bends.join(', ')]),
  ]
}

/** `2 min`: a recipe says it in whole ones. */
function durationText(ms: number): string {
  return formatDuration(ms).replace(/ 0 (s|min)$/, '')
}

/** Ids of Mermaid are words; those of steps begin with a letter or `_`, and may hold `-`. */
function nodeId(group: string, step: string): string {
  return `${group}_${step}`
}

/** Text as Mermaid shows it: https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters */
function quoted(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    line
      .replaceAll(/\s+/g, ' ')
      .replaceAll(/[#"`<>&\\;{}[\]()|]/g, (character) => `#${character.codePointAt(0)};`),
  )
  return `"${escaped.join('<br>')}"`
}
