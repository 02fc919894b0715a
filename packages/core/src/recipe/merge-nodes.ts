import type { MapEntry, MapNode, RecipeNode } from './recipe-node.ts'

type Merge = (key: string, below: RecipeNode, above: RecipeNode) => RecipeNode

/** A value on top of another: maps key by key, anything else as it is. */
export function mergeNodes(below: RecipeNode, above: RecipeNode): RecipeNode {
  if (below.kind !== 'map' || above.kind !== 'map') return above
  return mergeMaps(below, above, (key, inner, outer) =>
    // It takes one probe only, so that another one stands in its place.
    key === 'ready' ? outer : mergeNodes(inner, outer),
  )
}

/** Maps key by key, where both have one as `merge` says. Every entry remembers what it took the place of. */
export function mergeMaps(below: MapNode, above: MapNode, merge: Merge): MapNode {
  const entries = new Map<string, MapEntry>(below.entries)
  for (const [key, entry] of above.entries) {
    const old = below.entries.get(key)
    entries.set(
      key,
      old ? { key: entry.key, node: merge(key, old.node, entry.node), overrides: old } : entry,
    )
  }
  return { ...above, entries, size: below.size + above.size }
}
