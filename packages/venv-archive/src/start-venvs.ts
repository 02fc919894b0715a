import { checkVenvs, type VenvCheck } from '@berth/archive'
import { BerthError } from '@berth/core'

/**
 * Really starts the Python of every venv in a tree. Throws `venv-archive/broken-venv` when none of them starts; those that don't
 * while another does go to `warn`, or throw too when that is absent.
 */
export async function startVenvs(
  directory: string,
  { signal, warn }: { signal: AbortSignal; warn?: (text: string) => void },
): Promise<VenvCheck[]> {
  const checks = await Promise.race([checkVenvs(directory), rejectOnAbort(signal)])
  const broken = checks.filter(({ ok }) => !ok)
  if (broken.length === 0) return checks
  const reasons = broken.map(({ path, reason }) => `${path}: ${reason}`)
  if (warn !== undefined && broken.length < checks.length) {
    for (const reason of reasons) warn(reason)
    return checks
  }
  throw new BerthError(
    'venv-archive/broken-venv',
    `could not use \`${directory}\`: ${reasons.join('; ')}`,
    {
      hint: 'use an image with the Python that the venv was made with, or make the venv anew and save it',
    },
  )
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
