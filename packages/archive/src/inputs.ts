import { textInput, z } from '@berth/core'
import { checkArchiveName } from './format/name.ts'

export { excludeInput } from './scan/exclude.ts'

/** An input that holds an archive's name, or the first part of one; the empty one is for the step to judge. */
export const archiveNameInput = textInput((text) => text === '' || checkArchiveName(text))

/** An input that says whether half-empty chunks are written anew while nobody waits. */
export const compactInput = z
  .boolean()
  .default(true)
  .describe(
    'Whether saves while main runs (`every:`) also write chunks anew of which a quarter is of no use any more.',
  )
