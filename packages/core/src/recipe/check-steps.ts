import type { BerthError } from '../error.ts'
import type { Plugin, PluginRegistry } from '../plugin/plugin.ts'
import { keySpan, nodeAt, problem, textAt, type MapNode, type Span } from './recipe-node.ts'
import type { StepDraft } from './step-draft.ts'
import { didYouMean, suggest } from '../suggest.ts'

/** The rules between a step's keys, which its shape alone doesn't show. */
export function keyProblems(draft: StepDraft, secrets: ReadonlySet<string>): BerthError[] {
  const { node, pipeline } = draft
  const problems: BerthError[] = []
  const has = (key: string): boolean => node.entries.has(key)
  if (has('uses') && has('run')) {
    const message = `the step \`${draft.id}\` has both \`uses\` and \`run\``
    problems.push(
      problem('recipe/uses-or-run', message, keySpan(node, ['run']), 'make two steps of it'),
    )
  } else if (!has('uses') && !has('run')) {
    const message = `the step${draft.named ? ` \`${draft.id}\`` : ''} has neither \`uses\` nor \`run\``
    problems.push(problem('recipe/uses-or-run', message, node, 'say what it does'))
  }
  const misplaced = (key: string, message: string, hint?: string): void => {
    if (has(key)) {
      problems.push(problem('recipe/misplaced-key', message, keySpan(node, [key]), hint))
    }
  }
  if (has('run') && !has('uses')) {
    misplaced('with', '`with` belongs to a step with `uses`', 'hand values to `run` through `env`')
  }
  if (has('uses') && !has('run')) {
    misplaced('shell', '`shell` belongs to a step with `run`')
    misplaced('outputs', '`outputs` belongs to a step with `run`', 'a plugin declares its own')
  }
  if (pipeline !== 'shutdown') {
    misplaced('every', `\`every\` belongs to a step of \`shutdown\`, not of \`${pipeline}\``)
  }
  return [...problems, ...secretProblems(draft, secrets)]
}

/** `parallel` is a group, not a step: it takes only `needs` beside it. */
export function groupProblems(drafts: readonly StepDraft[]): BerthError[] {
  const groups = new Set(drafts.flatMap(({ group }) => (group ? [group] : [])))
  return [...groups].flatMap((group: MapNode) =>
    [...group.entries.keys()]
      .filter((key) => key !== 'parallel' && key !== 'needs')
      .map((key) => {
        const message = `\`${key}\` cannot stand beside \`parallel\``
        const hint = 'put it into the steps of the group'
        return problem('recipe/misplaced-key', message, keySpan(group, [key]), hint)
      }),
  )
}

function secretProblems({ node }: StepDraft, declared: ReadonlySet<string>): BerthError[] {
  const list = nodeAt(node, ['secrets'])
  return (list?.kind === 'list' ? list.items : []).flatMap((item) => {
    const name = textAt(item, [])
    if (name === undefined || declared.has(name)) {
      return []
    }
    return [unknownSecret(name, declared, item)]
  })
}

/** The problem of a secret that the recipe doesn't declare. */
export function unknownSecret(name: string, declared: Iterable<string>, place: Span): BerthError {
  const best = suggest(name, declared)
  const hint =
    best === undefined ? `add it to \`secrets\` of the recipe` : `did you mean \`${best}\`?`
  return problem('recipe/unknown-secret', `the recipe declares no secret \`${name}\``, place, hint)
}

/** Finds the plugin's step that `uses` names, and remembers it in the draft. */
export async function findStep(draft: StepDraft, plugins: PluginRegistry): Promise<BerthError[]> {
  const uses = nodeAt(draft.node, ['uses'])
  const name = textAt(uses, [])
  if (uses === undefined || name === undefined) {
    return []
  }
  if (name.startsWith('.') || name.startsWith('@') || name.startsWith('/')) {
    const message = `could not use \`${name}\`: plugins from folders and packages are not supported in this version`
    return [problem('recipe/not-yet', message, uses, 'use `run` for a script')]
  }
  const slash = name.indexOf('/')
  const pluginName = slash === -1 ? name : name.slice(0, slash)
  const open = Object.hasOwn(plugins, pluginName) ? plugins[pluginName] : undefined
  if (!open) {
    const message = `there is no plugin \`${pluginName}\``
    return [
      problem('recipe/unknown-plugin', message, uses, knownHint(pluginName, Object.keys(plugins))),
    ]
  }
  const plugin = await open()
  const stepName = slash === -1 ? '' : name.slice(slash + 1)
  const definition = Object.hasOwn(plugin.steps, stepName) ? plugin.steps[stepName] : undefined
  if (!definition) {
    const message =
      slash === -1
        ? `\`${name}\` is a plugin, not a step`
        : `the plugin \`${pluginName}\` has no step \`${stepName}\``
    return [problem('recipe/unknown-step', message, uses, knownHint(name, stepNames(plugin)))]
  }
  draft.uses = { name, definition }
  return []
}

function stepNames(plugin: Plugin): string[] {
  return Object.keys(plugin.steps).map((step) => `${plugin.name}/${step}`)
}

function knownHint(word: string, known: string[]): string {
  const best = suggest(word, known)
  const all = known.map((name) => `\`${name}\``).join(', ')
  return best === undefined
    ? didYouMean(word, known)
    : `did you mean \`${best}\`? there are: ${all}`
}
