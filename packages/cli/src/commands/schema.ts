import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { plugins } from '../plugins.ts'

export const schema = defineCommand({
  usage: 'schema',
  description:
    'Prints the JSON Schema of recipes with the options of every plugin, for the completion and the checks of an editor.',
  positionals: [0, 0],
  options: {},
  run: async () => {
    const { recipeJsonSchema } = await import('@berth/core/docs')
    process.stdout.write(`${JSON.stringify(await recipeJsonSchema(plugins), undefined, 2)}\n`)
    return exitCodes.right
  },
})
