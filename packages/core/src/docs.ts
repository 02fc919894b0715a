export { describeOptions } from './describe-options.ts'
export { recipeJsonSchema } from './json-schema.ts'
