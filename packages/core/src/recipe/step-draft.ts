import type { PipelineName } from '../event.ts'
import type { StepDefinition } from '../plugin/plugin.ts'
import {
  nodeAt,
  placeAt,
  textAt,
  type MapNode,
  type Path,
  type RecipeNode,
  type Span,
} from './recipe-node.ts'

export const pipelineNames = ['boot', 'shutdown', 'build'] as const satisfies PipelineName[]

/** A step while the recipe is being checked: it has an id and a place, everything else may still be wrong. */
export interface StepDraft {
  id: string
  /** Whether the recipe says the id, or it was made up. */
  named: boolean
  pipeline: PipelineName
  node: MapNode
  path: Path
  /** The node of its group, when it stands in a `parallel`. */
  group: MapNode | undefined
  /** What `uses` names, once that is found. */
  uses: { name: string; definition: StepDefinition } | undefined
  /** The alternatives, when it is a ladder. */
  rungs: StepDraft[] | undefined
}

/** All the steps of a recipe in their order. What isn't a map is left out: its shape is a problem already. */
export function collectSteps(root: RecipeNode): StepDraft[] {
  const drafts = pipelineNames.flatMap((pipeline) =>
    mapsIn(root, [pipeline]).flatMap(({ node, path }) => {
      if (!node.entries.has('parallel')) {
        return [draftOf(node, path, undefined)]
      }
      const inner = mapsIn(root, [...path, 'parallel'])
      return inner.map((step) => draftOf(step.node, step.path, node))
    }),
  )
  nameSteps(drafts)
  return drafts
}

function draftOf(node: MapNode, path: Path, group: MapNode | undefined): StepDraft {
  const id = textAt(node, ['id'])
  const pipeline = path[0] as PipelineName
  const rungs = nodeAt(node, ['any-of']) && rungsOf(node, path)
  const named = id !== undefined
  return { id: id ?? '', named, pipeline, node, path, group, uses: undefined, rungs }
}

function rungsOf(ladder: MapNode, path: Path): StepDraft[] {
  return mapsIn(ladder, ['any-of']).map((rung) => ({
    ...draftOf(rung.node, [...path, ...rung.path], undefined),
    rungs: undefined,
  }))
}

/** The steps, each ladder followed by its rungs. */
export function withRungs(drafts: readonly StepDraft[]): StepDraft[] {
  return drafts.flatMap((draft) => [draft, ...(draft.rungs ?? [])])
}

function mapsIn(root: RecipeNode, path: Path): { node: MapNode; path: Path }[] {
  const list = nodeAt(root, path)
  return list?.kind === 'list'
    ? list.items.flatMap((node, index) =>
        node.kind === 'map' ? [{ node, path: [...path, index] }] : [],
      )
    : []
}

/**
 * Gives a step without an id one that stays the same from process to process, because outputs and journals are kept under it: from
 * `uses`, else `run`, behind the id of its ladder, with a number where that is taken.
 */
function nameSteps(drafts: readonly StepDraft[]): void {
  const taken = new Set(withRungs(drafts).flatMap(({ id, named }) => (named ? [id] : [])))
  const name = (draft: StepDraft, prefix: string): void => {
    if (draft.named) return
    const base = prefix + baseName(draft)
    let id = base
    for (let number = 2; taken.has(id); number += 1) {
      id = `${base}-${number}`
    }
    taken.add(id)
    draft.id = id
  }
  for (const draft of drafts) {
    name(draft, '')
    for (const rung of draft.rungs ?? []) name(rung, `${draft.id}-`)
  }
}

function baseName({ node, rungs }: StepDraft): string {
  const uses = textAt(node, ['uses'])
  if (uses !== undefined) return uses.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+/, '')
  return rungs === undefined ? 'run' : 'any-of'
}

/** Where a path of a step was written; an input that is missing because there is no `with` shows `uses`. */
export function placeInStep(node: MapNode, path: Path): Span {
  const uses = nodeAt(node, ['uses'])
  return path[0] === 'with' && uses && !node.entries.has('with') ? uses : placeAt(node, path)
}

/** Says whether a step starts only after main. */
export function isDeferred(step: MapNode): boolean {
  const node = nodeAt(step, ['defer'])
  return node?.kind === 'scalar' && node.value === true
}

/** The pipelines whose ids share one namespace, because the shutdown may name the boot's steps. */
export function namespaceOf(pipeline: PipelineName): 'run' | 'build' {
  return pipeline === 'build' ? 'build' : 'run'
}
