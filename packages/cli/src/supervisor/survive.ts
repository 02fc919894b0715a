import { shownError } from '../output-mask.ts'
import { errorText } from '../reporters/error-text.ts'

/** Neither a log reader that went away nor a bug of ours must take the saves with it. */
export function survive(): void {
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${errorText(shownError(error)).join('\n')}\n`)
  })
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
}
