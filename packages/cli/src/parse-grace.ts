import { parseDuration } from '@berth/core/duration'
import { BerthError, isBerthError } from '@berth/core/error'

/** `--grace`, in milliseconds. Throws `cli/usage`. */
export function parseGrace(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    if (!isBerthError(error)) throw error
    throw new BerthError('cli/usage', `\`--grace ${text}\`: ${error.message}`, {
      hint: error.hint ?? 'write `10s`',
      cause: error,
    })
  }
}
