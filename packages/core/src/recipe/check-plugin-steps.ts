import type { BerthError } from '../error.ts'
import { buildRecipe } from './build-recipe.ts'
import { expressionProblems } from './check-expressions.ts'
import { inputProblems } from './check-inputs.ts'
import { checkOrder } from './check-order.ts'
import { checkShape } from './check-shape.ts'
import { keyProblems } from './check-step-keys.ts'
import type { RecipeStep } from './recipe.ts'
import {
  keySpan,
  nodeAt,
  problem,
  type MapEntry,
  type MapNode,
  type ScalarNode,
  type Span,
} from './recipe-node.ts'
import type { FindStep } from './find-step.ts'
import { collectSteps } from './step-draft.ts'

/** Checks the steps of a plugin as those of a recipe; a plugin with one script has one step. */
export async function checkPluginSteps(
  root: MapNode,
  find: FindStep,
): Promise<{ steps: RecipeStep[]; problems: BerthError[] }> {
  const inner = asRecipe(root)
  const shape = checkShape(inner)
  const drafts = collectSteps(inner)
  const items = new Set(drafts.map(({ node, group }) => group ?? node))
  const problems = [...shape.problems, ...[...items].flatMap(foreignKeys)]
  const inputs = nodeAt(root, ['inputs'])
  for (const draft of drafts) {
    problems.push(...keyProblems(draft, new Set()), ...(await find(draft)))
    problems.push(...inputProblems(draft))
  }
  const { orders, problems: orderProblems } = checkOrder(drafts)
  const names = inputs?.kind === 'map' ? [...inputs.entries.keys()] : []
  // The values of outputs stand in the plugin itself.
  const seen = {
    ...inner,
    entries: new Map(inner.entries).set('outputs', entryOf(root, 'outputs')),
  }
  problems.push(
    ...orderProblems,
    ...expressionProblems({ root: seen, drafts, orders, inputs: names }),
  )
  if (shape.document === undefined || problems.length > 0) return { steps: [], problems }
  const sound = { file: root.source.file, texts: {}, document: shape.document, root: inner }
  return { steps: buildRecipe({ ...sound, drafts, orders }).pipelines.boot ?? [], problems }
}

/** The steps as the boot of a recipe, so that they are read and checked the same. */
function asRecipe(root: MapNode): MapNode {
  const entries = new Map<string, MapEntry>()
  const steps = root.entries.get('steps')
  const secrets = root.entries.get('secrets')
  if (secrets?.node.kind === 'list') entries.set('secrets', secrets)
  if (steps?.node.kind === 'list') {
    entries.set('boot', steps)
  } else if (root.entries.has('run')) {
    entries.set('boot', { key: root, node: { ...root, kind: 'list', items: [ownStep(root)] } })
  }
  return { ...root, entries }
}

/** What the plugin says of its script, as a step. */
function ownStep(root: MapNode): MapNode {
  const own = [...root.entries].filter(([key]) => ['run', 'undo', 'shell'].includes(key))
  const declared = nodeAt(root, ['outputs'])
  const names = declared?.kind === 'map' ? [...declared.entries] : []
  const outputs = names.map(([name, { key }]) => textNode(name, key))
  const added: [string, MapEntry][] = [
    ['id', { key: root, node: textNode('run', root) }],
    ['outputs', { key: root, node: { ...root, kind: 'list', items: outputs } }],
  ]
  return { ...root, entries: new Map([...added, ...own]) }
}

function textNode(value: string, { source, start, end }: Span): ScalarNode {
  return { source, start, end, kind: 'scalar', size: 1, value, style: 'plain' }
}

function entryOf(root: MapNode, key: string): MapEntry {
  const empty: MapNode = { ...root, entries: new Map() }
  return root.entries.get(key) ?? { key: root, node: empty }
}

const innerKeys = new Set([
  'id',
  'name',
  'uses',
  'run',
  'with',
  'env',
  'if',
  'working-directory',
  'shell',
  'outputs',
  'undo',
])

/** What belongs to the step that uses the plugin, and so to all of it. */
function foreignKeys(node: MapNode): BerthError[] {
  const isUser = node.entries.has('uses')
  return [...node.entries.keys()]
    .filter((key) => !innerKeys.has(key) || (isUser && ['env', 'working-directory'].includes(key)))
    .filter((key) => knownElsewhere.has(key))
    .map((key) => {
      const message = `\`${key}\` cannot stand in a step of a plugin`
      const hint = ['needs', 'parallel'].includes(key)
        ? 'the steps of a plugin run one after another; make a plugin of each that shall run beside others'
        : 'it belongs to the step that uses the plugin'
      return problem('recipe/misplaced-key', message, keySpan(node, [key]), hint)
    })
}

/** Keys of a recipe's steps; any other is unknown, which its shape says. */
const knownElsewhere = new Set([
  'env',
  'working-directory',
  'needs',
  'optional',
  'retry',
  'timeout',
  'every',
  'defer',
  'lock',
  'explain',
  'secrets',
  'any-of',
  'parallel',
])
