import type { BerthError } from '../error.ts'
import type { Plugin, PluginRegistry } from '../plugin/plugin.ts'
import { nodeAt, problem, textAt, type Span } from './recipe-node.ts'
import type { StepDraft } from './step-draft.ts'
import { didYouMean, suggest } from '../suggest.ts'

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
