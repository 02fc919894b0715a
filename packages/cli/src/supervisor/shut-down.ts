import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError, isBerthError } from '@berth/core/error'
import { askBoot } from './control-client.ts'
import { readLife } from './life-file.ts'
import type { ShutdownEnd, ShutdownRequest } from './shutdown-request.ts'
import { tryClaim } from './state-directory.ts'

export type ShutdownReply = ShutdownEnd | { state: 'begun' } | { state: 'nothing' }

/** A boot that has just been started opens its socket in this time. */
const patienceMs = 10_000

/**
 * Has the boot of a state directory shut down; where none runs, and the last one did not live to do it, does so itself. However many ask at
 * the same time, one does it, and all get its result. Rejects with `cli/no-answer` when a boot runs and can't be asked.
 */
export async function shutDown(
  stateDirectory: string,
  request: ShutdownRequest,
): Promise<ShutdownReply> {
  const until = Date.now() + patienceMs
  for (;;) {
    const reply = await askRunning(stateDirectory, request)
    if (reply !== undefined) return reply
    const claim = tryClaim(stateDirectory)
    if ('release' in claim) return await aloneWith(stateDirectory, request, claim.release)
    if (Date.now() > until) throw cannotBeAsked(claim.holder)
    await sleep(50)
  }
}

async function askRunning(
  stateDirectory: string,
  request: ShutdownRequest,
): Promise<ShutdownReply | undefined> {
  try {
    const reply = await askBoot(stateDirectory, { verb: 'shutdown', ...request })
    return reply as ShutdownReply | undefined
  } catch (error) {
    // It was killed while it was at it: what is left is ours.
    if (isBerthError(error, 'cli/no-answer')) return undefined
    throw error
  }
}

async function aloneWith(
  stateDirectory: string,
  { graceMs }: ShutdownRequest,
  release: () => void,
): Promise<ShutdownReply> {
  try {
    const life = readLife(stateDirectory)
    if (life === undefined) return { state: 'nothing' }
    // Most calls come to a boot that runs, and should not wait for the modules of a supervisor.
    const { shutDownAlone } = await import('./shut-down-alone.ts')
    return await shutDownAlone(life, { stateDirectory, graceMs })
  } finally {
    release()
  }
}

function cannotBeAsked(pid: number): BerthError {
  return new BerthError(
    'cli/no-answer',
    `could not ask the boot of process ${pid} to shut down: it has no socket`,
    { hint: `send it SIGTERM: \`kill ${pid}\`` },
  )
}
