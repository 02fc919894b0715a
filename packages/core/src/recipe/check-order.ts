import type { BerthError } from '../error.ts'
import type { PipelineName } from '../event.ts'
import { findCycles, resolveNeeds, type OrderedItem, type OrderedStep } from './needs.ts'
import { nodeAt, problem, textAt, type MapNode, type RecipeNode } from './recipe-node.ts'
import { isDeferred, namespaceOf, pipelineNames, withRungs, type StepDraft } from './step-draft.ts'
import { didYouMean } from '../suggest.ts'

/** What each step of a pipeline waits for, by its id. */
export type Order = ReadonlyMap<string, readonly string[]>

export interface CheckedOrder {
  orders: Record<PipelineName, Order>
  problems: BerthError[]
}

/** Resolves what every step waits for; finds ids used twice, waits for steps that don't exist, and circles. */
export function checkOrder(drafts: readonly StepDraft[]): CheckedOrder {
  const problems = duplicateProblems(drafts)
  const orders: Record<PipelineName, Order> = {
    boot: new Map(),
    shutdown: new Map(),
    build: new Map(),
  }
  for (const pipeline of pipelineNames) {
    const steps = drafts.filter((draft) => draft.pipeline === pipeline)
    problems.push(...needProblems(steps, drafts), ...deferredNeedProblems(steps))
    orders[pipeline] = resolveNeeds(orderedItems(steps))
    problems.push(...cycleProblems(steps, orders[pipeline]))
  }
  return { orders, problems }
}

function duplicateProblems(drafts: readonly StepDraft[]): BerthError[] {
  const first = new Map<string, StepDraft>()
  return withRungs(drafts).flatMap((draft) => {
    const key = `${namespaceOf(draft.pipeline)}/${draft.id}`
    const earlier = first.get(key)
    if (!earlier) {
      first.set(key, draft)
      return []
    }
    const message = `the id \`${draft.id}\` is already that of a step in \`${earlier.pipeline}\``
    const node = nodeAt(draft.node, ['id']) ?? draft.node
    return [problem('recipe/duplicate-id', message, node, 'give each step its own id')]
  })
}

function needProblems(steps: readonly StepDraft[], all: readonly StepDraft[]): BerthError[] {
  const known = steps.map(({ id }) => id)
  const holders = new Set<MapNode>(
    steps.flatMap(({ node, group }) => (group ? [group, node] : [node])),
  )
  return [...holders].flatMap((holder) =>
    needsIn(holder).flatMap((item) => {
      const ownId = steps.find(({ node }) => node === holder)?.id
      const id = textAt(item, [])
      if (id === undefined || known.includes(id)) {
        return []
      }
      const elsewhere = all.find((draft) => draft.id === id)
      const message = elsewhere
        ? `\`needs\` names \`${id}\`, a step of another pipeline, \`${elsewhere.pipeline}\``
        : `\`needs\` names \`${id}\`, but there is no such step`
      const hint = elsewhere
        ? 'a step waits only for steps of its own pipeline'
        : didYouMean(
            id,
            known.filter((other) => other !== ownId),
          )
      return [problem('recipe/unknown-step-id', message, item, hint)]
    }),
  )
}

/** What starts before main can't wait for what starts after it. */
function deferredNeedProblems(steps: readonly StepDraft[]): BerthError[] {
  const deferred = new Set(steps.filter(({ node }) => isDeferred(node)).map(({ id }) => id))
  return steps.flatMap(({ id, node, group }) => {
    if (deferred.has(id)) return []
    const holder = node.entries.has('needs') ? node : (group ?? node)
    return needsIn(holder).flatMap((item) => {
      const need = textAt(item, []) ?? ''
      if (!deferred.has(need)) return []
      const message = `\`${id}\` needs \`${need}\`, which is deferred until main has started`
      return [problem('recipe/not-ended', message, item, `defer \`${id}\` too`)]
    })
  })
}

function cycleProblems(steps: readonly StepDraft[], order: Order): BerthError[] {
  return findCycles(order).flatMap((cycle) => {
    const written = cycle
      .map((id) => steps.find((draft) => draft.id === id))
      .find((draft) => draft?.node.entries.has('needs') || draft?.group?.entries.has('needs'))
    const holder = written?.node.entries.has('needs') ? written.node : written?.group
    const place = nodeAt(holder, ['needs'])
    if (!place) {
      return []
    }
    const [start = ''] = cycle
    const chain = [...cycle, start].map((id) => `\`${id}\``).join(' → ')
    const message = `steps wait for each other in a circle: ${chain}`
    const hint = 'a step without `needs` waits for the one before it; `needs: []` starts it at once'
    return [problem('recipe/cycle', message, place, hint)]
  })
}

function orderedItems(steps: readonly StepDraft[]): OrderedItem[] {
  const items: OrderedItem[] = []
  const groups = new Map<MapNode, OrderedStep[]>()
  for (const { id, node, group } of steps) {
    const step = { id, ...needsOf(node), isDeferred: isDeferred(node) }
    const members = group && groups.get(group)
    if (members) {
      members.push(step)
    } else if (group) {
      const parallel = [step]
      groups.set(group, parallel)
      items.push({ parallel, ...needsOf(group) })
    } else {
      items.push(step)
    }
  }
  return items
}

function needsOf(node: MapNode): { needs?: string[] } {
  return node.entries.has('needs')
    ? { needs: needsIn(node).flatMap((item) => textAt(item, []) ?? []) }
    : {}
}

function needsIn(node: MapNode): RecipeNode[] {
  const needs = nodeAt(node, ['needs'])
  return needs?.kind === 'list' ? needs.items : []
}
