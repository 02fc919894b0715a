import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { BerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { plugins } from '../plugins.ts'

export const schema = defineCommand({
  usage: 'schema [--plugins FOLDER]…',
  description:
    'Prints the JSON Schema of recipes with the options of every plugin, for the completion and the checks of an editor.',
  positionals: [0, 0],
  options: {
    plugins: {
      type: 'string',
      value: 'FOLDER',
      multiple: true,
      describe: 'with the plugins of your own in it, for recipes in the current directory',
    },
  },
  run: async ({ values }) => {
    const { readPluginFolder, recipeJsonSchema } = await import('@berth/core/docs')
    const names = values.plugins.flatMap(pluginsIn)
    const own = await Promise.all(
      names.map(async (name) => [name, await readPluginFolder(name, plugins)] as const),
    )
    const schema = await recipeJsonSchema(plugins, Object.fromEntries(own))
    process.stdout.write(`${JSON.stringify(schema, undefined, 2)}\n`)
    return exitCodes.right
  },
})

/** As `uses` names them: the folder itself, or those in it. */
function pluginsIn(folder: string): string[] {
  const isPlugin = (place: string) => existsSync(join(place, 'plugin.yaml'))
  const inner = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
  const found = isPlugin(folder) ? [folder] : inner.filter(isPlugin)
  if (found.length === 0) {
    throw new BerthError('cli/usage', `\`${folder}\` holds no plugin`, {
      hint: 'name a folder with a `plugin.yaml`, or one of such folders',
    })
  }
  return found.map((place) => {
    const near = relative(process.cwd(), place)
    return near.startsWith('..') ? near : `./${near}`
  })
}
