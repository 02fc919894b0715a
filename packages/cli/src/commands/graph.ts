import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { missingPipeline, parsePipeline } from '../pipeline-name.ts'
import { plugins } from '../plugins.ts'

export const graph = defineCommand({
  usage: 'graph RECIPE [--pipeline boot]',
  description:
    'Prints a recipe as a flowchart of Mermaid, which GitHub and GitLab draw. Runs nothing and does not read the environment.',
  positionals: [1, 1],
  options: {
    pipeline: {
      type: 'string',
      value: 'PIPELINE',
      multiple: true,
      describe: 'only boot, shutdown or build',
    },
  },
  run: async ({ positionals, values }) => {
    const [file = ''] = positionals
    const wanted = values.pipeline.map(parsePipeline)
    const { readRecipe } = await import('@berth/core')
    const { recipeGraph } = await import('../report/recipe-graph.ts')
    const recipe = await readRecipe(file, plugins)
    const missing = wanted.find((name) => recipe.pipelines[name] === undefined)
    if (missing !== undefined) throw missingPipeline(file, missing)
    process.stdout.write(recipeGraph(recipe, wanted.length === 0 ? undefined : wanted))
    return exitCodes.right
  },
})
