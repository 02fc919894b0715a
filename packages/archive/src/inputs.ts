import { textInput } from '@berth/core'
import { checkArchiveName } from './format/name.ts'

export { excludeInput } from './scan/exclude.ts'

/** An input that holds an archive's name, or the first part of one; the empty one is for the step to judge. */
export const archiveNameInput = textInput((text) => text === '' || checkArchiveName(text))
