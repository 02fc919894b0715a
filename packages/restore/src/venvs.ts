import { checkVenvs } from '@berth/archive'
import { BerthError } from '@berth/core'

/**
 * Really starts the Python of every venv in a directory. Throws `restore/broken-venv` when none of them starts; those that don't
 * while another does are told to `warn`: one broken venv among the plugins must not take the pod away.
 */
export async function requireVenvs(
  { directory, at }: { directory: string; at: string },
  warn: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const checks = await Promise.race([checkVenvs(at), rejectOnAbort(signal)])
  const broken = checks.filter((check) => !check.ok)
  if (broken.length === 0) return
  if (broken.length < checks.length) {
    for (const { path, reason } of broken)
      warn(`${directory}: the venv ${path} does not work: ${reason}`)
    return
  }
  const reasons = broken.map(({ path, reason }) => `${path}: ${reason}`).join('; ')
  throw new BerthError('restore/broken-venv', `could not use \`${directory}\`: ${reasons}`, {
    hint: `use an image with the Python that the venv was made with, or move \`${at}\` away and make the venv anew`,
  })
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
