import { textInput } from '@berth/core'
import { translateParts } from './exclude-rules.ts'

/** An input that holds a pattern of what stays out of an archive. */
export const excludeInput = textInput(translateParts)
