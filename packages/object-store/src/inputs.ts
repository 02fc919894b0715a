import { textInput } from '@berth/core'
import { parseStoreUrl } from './location.ts'

/** An input that holds a store's URL; the empty one is for the step to judge. */
export const storeUrlInput = textInput((text) => text === '' || parseStoreUrl(text))
