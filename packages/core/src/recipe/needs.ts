/** A step as far as order is concerned. */
export interface OrderedStep {
  id: string
  /** As written; absent means: after the item before this one. */
  needs?: readonly string[]
  /** It starts after main; steps that are not deferred never wait for it unasked. */
  isDeferred?: boolean
}

/** An item of a pipeline: one step, or several that start together. */
export type OrderedItem =
  | OrderedStep
  | { parallel: readonly OrderedStep[]; needs?: readonly string[] }

/**
 * The ids that each step waits for. Without `needs` a step waits for the item before it, all of its steps if that is a `parallel`
 * group; within a group, for what the group waits for. A deferred step waits for the deferred item before it too, and only another
 * deferred one waits for it unasked.
 */
export function resolveNeeds(items: readonly OrderedItem[]): Map<string, string[]> {
  const resolved = new Map<string, string[]>()
  let before: string[] = []
  let deferredBefore: string[] = []
  for (const item of items) {
    const steps = 'parallel' in item ? item.parallel : [item]
    for (const step of steps) {
      const inherited = step.isDeferred === true ? [...before, ...deferredBefore] : before
      resolved.set(step.id, [...new Set(step.needs ?? item.needs ?? inherited)])
    }
    const deferred = steps.filter(({ isDeferred }) => isDeferred).map(({ id }) => id)
    const others = steps.filter(({ isDeferred }) => !isDeferred).map(({ id }) => id)
    if (deferred.length > 0) deferredBefore = deferred
    if (others.length > 0 || steps.length === 0) before = others
  }
  return resolved
}

/** The circles in which steps wait for themselves, each as its ids in order: every step waits for the next, the last for the first. */
export function findCycles(needs: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = []
  const finished = new Set<string>()
  const trail: string[] = []
  const visit = (id: string): void => {
    const start = trail.indexOf(id)
    if (start !== -1) {
      cycles.push(trail.slice(start))
      return
    }
    if (finished.has(id)) {
      return
    }
    trail.push(id)
    for (const need of needs.get(id) ?? []) {
      visit(need)
    }
    trail.pop()
    finished.add(id)
  }
  for (const id of needs.keys()) {
    visit(id)
  }
  return cycles
}

/** All the steps that have ended when a step starts: what it waits for, what those wait for, and so on. */
export function stepsBefore(
  id: string,
  needs: ReadonlyMap<string, readonly string[]>,
): Set<string> {
  const before = new Set<string>()
  const waiting = [...(needs.get(id) ?? [])]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (!before.has(next)) {
      before.add(next)
      waiting.push(...(needs.get(next) ?? []))
    }
  }
  return before
}
