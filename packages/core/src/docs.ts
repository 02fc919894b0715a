export { describeOptions } from './plugin/describe-options.ts'
export { recipeJsonSchema } from './recipe/json-schema.ts'
export { readPluginFolder } from './recipe/read-plugin-folder.ts'
