import path from 'node:path'
import { isPluginPackage, loadPackage, packageOf } from '../plugin/package-plugin.ts'
import { isBerthError } from '../error.ts'
import type { Plugin, PluginRegistry } from '../plugin/plugin.ts'
import type { FolderRequest, FoundStep } from './check-plugin-file.ts'
import type { FindStep } from './find-step.ts'
import type { RecipeFiles } from './recipe-files.ts'
import { nodeAt, problem, textAt, type RecipeNode } from './recipe-node.ts'
import { didYouMean, suggest } from '../suggest.ts'

interface Sources {
  plugins: PluginRegistry
  files: RecipeFiles
}

/** Finds steps of built-in plugins, of folders beside the recipe, and of installed packages. Each is loaded once. */
export function stepFinder({ plugins, files }: Sources): FindStep {
  const folders = new Map<string, Promise<FoundStep>>()
  const finderIn =
    (chain: readonly string[]): FindStep =>
    async (draft) => {
      const uses = nodeAt(draft.node, ['uses'])
      const name = textAt(uses, [])
      if (uses === undefined || name === undefined) return []
      const found = await findIn(uses, name, chain)
      if (found.definition) draft.uses = { name, definition: found.definition }
      return found.problems
    }
  const findIn = (uses: RecipeNode, name: string, chain: readonly string[]): Promise<FoundStep> => {
    if (/^\.{0,2}\//.test(name) || name === '.' || name === '..') return inFolder(uses, name, chain)
    if (isPluginPackage(name)) return inPackage(uses, name)
    return inRegistry(plugins, uses, name)
  }
  const inFolder = async (uses: RecipeNode, name: string, chain: readonly string[]) => {
    const file = pluginFileOf(uses, name)
    if (chain.includes(file)) {
      const message = `\`${name}\` uses itself, directly or through others`
      return { problems: [problem('recipe/extends-circle', message, uses)] }
    }
    const known = folders.get(file)
    const find = finderIn([...chain, file])
    const found = known ?? checkFolder({ uses, name, file, files, find })
    folders.set(file, found)
    return found
  }
  return finderIn([])
}

/** The file of a plugin that is a folder: its path starts where the file lies that uses it. */
function pluginFileOf(uses: RecipeNode, name: string): string {
  return path.join(path.resolve(path.dirname(uses.source.file), name), 'plugin.yaml')
}

/** Most recipes have no such plugin, and load nothing for it. */
async function checkFolder(request: FolderRequest): Promise<FoundStep> {
  const { checkPluginFile } = await import('./check-plugin-file.ts')
  return checkPluginFile(request)
}

async function inPackage(uses: RecipeNode, name: string): Promise<FoundStep> {
  const { specifier, step } = packageOf(name)
  try {
    return stepOf(loadPackage(specifier, uses.source.file), { uses, name, step })
  } catch (error) {
    if (!isBerthError(error)) throw error
    return { problems: [problem(error.code, error.message, uses, error.hint)] }
  }
}

async function inRegistry(
  plugins: PluginRegistry,
  uses: RecipeNode,
  name: string,
): Promise<FoundStep> {
  const slash = name.indexOf('/')
  const pluginName = slash === -1 ? name : name.slice(0, slash)
  const open = Object.hasOwn(plugins, pluginName) ? plugins[pluginName] : undefined
  if (!open) {
    const message = `there is no plugin \`${pluginName}\``
    const hint = knownHint(pluginName, Object.keys(plugins))
    return { problems: [problem('recipe/unknown-plugin', message, uses, hint)] }
  }
  const step = slash === -1 ? '' : name.slice(slash + 1)
  return stepOf(await open(), { uses, name, step })
}

function stepOf(
  plugin: Plugin,
  { uses, name, step }: { uses: RecipeNode; name: string; step: string },
): FoundStep {
  const definition = Object.hasOwn(plugin.steps, step) ? plugin.steps[step] : undefined
  if (definition) return { definition, problems: [] }
  const own = name.slice(0, Math.max(0, name.length - step.length - 1))
  const owner = step === '' ? name : own
  const message =
    step === ''
      ? `\`${name}\` is a plugin, not a step`
      : `the plugin \`${owner}\` has no step \`${step}\``
  const names = Object.keys(plugin.steps).map((each) => `${owner}/${each}`)
  return { problems: [problem('recipe/unknown-step', message, uses, knownHint(name, names))] }
}

function knownHint(word: string, known: string[]): string {
  const best = suggest(word, known)
  const all = known.map((name) => `\`${name}\``).join(', ')
  return best === undefined
    ? didYouMean(word, known)
    : `did you mean \`${best}\`? there are: ${all}`
}
