import type { BerthError } from '../error.ts'
import { mergeNodes } from './merge-nodes.ts'
import {
  keySpan,
  problem,
  textAt,
  type ListNode,
  type MapNode,
  type RecipeNode,
} from './recipe-node.ts'
import { didYouMean } from '../suggest.ts'

/** The keys by which a step says where it belongs in the pipeline that it is merged into. */
export const mergeKeys = ['remove', 'before', 'after'] as const

/**
 * A pipeline on top of another: each step in turn changes, replaces, moves or removes the one with its id, or is added. What names no
 * step of the pipeline below is a problem.
 */
export function mergeSteps(
  below: RecipeNode,
  above: RecipeNode,
): { node: RecipeNode; problems: BerthError[] } {
  if (below.kind !== 'list' || above.kind !== 'list') {
    return { node: above, problems: [] }
  }
  const problems: BerthError[] = []
  let items = below.items
  for (const step of above.items) {
    items = step.kind === 'map' ? mergeStep(items, step, { below, problems }) : [...items, step]
  }
  return { node: { ...above, items, size: below.size + above.size }, problems }
}

function mergeStep(
  items: readonly RecipeNode[],
  step: MapNode,
  { below, problems }: { below: ListNode; problems: BerthError[] },
): RecipeNode[] {
  const id = textAt(step, ['id'])
  const found = id === undefined ? undefined : findStep(items, id)
  if (isRemoval(step)) {
    problems.push(...removalProblems(step, { id, found, below }))
    return found ? replaceStep(items, found, undefined) : [...items]
  }
  const place = placeOf(step, items, problems)
  const change = withoutPlace(step)
  const node = found ? changeStep(found, change) : change
  if (place === undefined) {
    return found ? replaceStep(items, found, node) : [...items, node]
  }
  const others = found ? replaceStep(items, found, undefined) : [...items]
  const next = others.findIndex((item) => idsIn(item).includes(place.id))
  const index = next === -1 ? others.length : next + (place.key === 'after' ? 1 : 0)
  return others.toSpliced(index, 0, node)
}

function changeStep(step: MapNode, change: MapNode): RecipeNode {
  const saysWhatItDoes = ['uses', 'run', 'any-of'].some((key) => change.entries.has(key))
  return saysWhatItDoes ? change : mergeNodes(step, change)
}

function isRemoval(step: MapNode): boolean {
  const node = step.entries.get('remove')?.node
  return node?.kind === 'scalar' && node.value === true
}

interface Removal {
  id: string | undefined
  found: MapNode | undefined
  below: ListNode
}

function removalProblems(step: MapNode, { id, found, below }: Removal): BerthError[] {
  const others = [...step.entries.keys()].filter((key) => key !== 'id' && key !== 'remove')
  const problems = others.map((key) => {
    const message = `\`${key}\` cannot stand beside \`remove\``
    return problem('recipe/misplaced-key', message, keySpan(step, [key]), 'remove one of the two')
  })
  if (found !== undefined) return problems
  const known = below.items.flatMap(idsIn)
  const message =
    id === undefined
      ? '`remove` has no `id` of the step to remove'
      : `could not remove \`${id}\`: there is no such step below`
  const place = keySpan(step, [id === undefined ? 'remove' : 'id'])
  const hint = didYouMean(id ?? '', known)
  return [...problems, problem('recipe/unknown-step-id', message, place, hint)]
}

interface Place {
  key: 'before' | 'after'
  id: string
}

function placeOf(
  step: MapNode,
  items: readonly RecipeNode[],
  problems: BerthError[],
): Place | undefined {
  const known = items.flatMap(idsIn)
  const [place, second] = (['before', 'after'] as const).flatMap((key) => {
    const id = textAt(step, [key])
    return id === undefined ? [] : [{ key, id }]
  })
  if (second !== undefined) {
    const message = 'a step stands `before` another or `after` one'
    const span = keySpan(step, [second.key])
    problems.push(problem('recipe/misplaced-key', message, span, 'remove one of the two'))
  }
  if (place === undefined || known.includes(place.id)) return place
  const message = `\`${place.key}\` names \`${place.id}\`, but there is no such step below`
  const span = step.entries.get(place.key)?.node ?? step
  const hint = didYouMean(place.id, known)
  problems.push(problem('recipe/unknown-step-id', message, span, hint))
  return undefined
}

/** A place that is not text stays, for its shape to be refused. */
function withoutPlace(step: MapNode): MapNode {
  const entries = [...step.entries].filter(
    ([key]) => !((key === 'before' || key === 'after') && textAt(step, [key]) !== undefined),
  )
  return { ...step, entries: new Map(entries) }
}

const groups = ['parallel', 'any-of'] as const

/** The ids of an item: its own, and those of the steps within it. */
function idsIn(item: RecipeNode): string[] {
  const id = textAt(item, ['id'])
  const inner = groups.flatMap((key) => membersOf(item, key)?.items.flatMap(idsIn) ?? [])
  return id === undefined ? inner : [id, ...inner]
}

function membersOf(item: RecipeNode, key: string): ListNode | undefined {
  const node = item.kind === 'map' ? item.entries.get(key)?.node : undefined
  return node?.kind === 'list' ? node : undefined
}

function findStep(items: readonly RecipeNode[], id: string): MapNode | undefined {
  for (const item of items) {
    if (item.kind === 'map' && textAt(item, ['id']) === id) return item
    for (const key of groups) {
      const found = findStep(membersOf(item, key)?.items ?? [], id)
      if (found) return found
    }
  }
  return undefined
}

/** With another step in the place of one, or none; a group that is left empty goes too. */
function replaceStep(
  items: readonly RecipeNode[],
  step: MapNode,
  by: RecipeNode | undefined,
): RecipeNode[] {
  return items.flatMap((item): RecipeNode[] => {
    if (item === step) return by === undefined ? [] : [by]
    if (item.kind !== 'map') return [item]
    let changed: MapNode = item
    for (const key of groups) {
      const entry = item.entries.get(key)
      const list = membersOf(item, key)
      if (entry === undefined || list === undefined) continue
      const members = replaceStep(list.items, step, by)
      if (members.length === 0 && list.items.length > 0) return []
      const node = { ...list, items: members }
      changed = { ...changed, entries: new Map(changed.entries).set(key, { ...entry, node }) }
    }
    return [changed]
  })
}
