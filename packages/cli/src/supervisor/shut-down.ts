import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError, isBerthError } from '@berth/core/error'
import { askBoot } from './control-client.ts'
import { takeOwedLives } from './debts.ts'
import type { AloneRequest } from './shut-down-alone.ts'
import type { ShutdownEnd, ShutdownRequest } from './shutdown-request.ts'
import { tryClaim } from './state-directory.ts'

export type ShutdownReply = ShutdownEnd | { state: 'begun' } | { state: 'nothing' }

/** A boot that has just been started opens its socket in this time. */
const patienceMs = 10_000

/**
 * Has the boot of a state directory shut down; where none runs, and the last one did not live to do it, does so itself. However many ask at
 * the same time, one does it, and all get its result. `set` is for values of a dead boot that are others today. Rejects with `cli/no-answer` when a boot runs and can't be asked.
 */
export async function shutDown(
  stateDirectory: string,
  request: ShutdownRequest,
  set: Record<string, string>,
): Promise<ShutdownReply> {
  const until = Date.now() + patienceMs
  for (;;) {
    if (Object.keys(set).length > 0) await requireNoBoot(stateDirectory)
    const reply = await askRunning(stateDirectory, request)
    if (reply !== undefined) return reply
    const claim = tryClaim(stateDirectory)
    if ('release' in claim) {
      const { graceMs } = request
      return await alone({ stateDirectory, graceMs, set }, claim.release)
    }
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

/** A boot that runs has its values. */
async function requireNoBoot(stateDirectory: string): Promise<void> {
  const status = await askBoot(stateDirectory, { verb: 'status' }).catch(() => undefined)
  if (status === undefined) return
  throw new BerthError('cli/usage', '`--set` is for a boot that was killed, and this one runs', {
    hint: 'leave it out: a running boot has its values',
  })
}

async function alone(request: AloneRequest, release: () => void): Promise<ShutdownReply> {
  try {
    const owed = takeOwedLives(request.stateDirectory)
    if (owed.length === 0) return { state: 'nothing' }
    if (owed.length > 1 && Object.keys(request.set).length > 0) throw tooManyToSet(owed.length)
    // Most calls come to a boot that runs, and should not wait for the modules of a supervisor.
    const { shutDownAlone } = await import('./shut-down-alone.ts')
    return await shutDownAlone(owed, request)
  } finally {
    release()
  }
}

function tooManyToSet(count: number): BerthError {
  return new BerthError('cli/usage', `\`--set\` is for one boot, and ${count} are to be put away`, {
    hint: 'leave it out: each has the values that it booted with',
  })
}

function cannotBeAsked(pid: number): BerthError {
  return new BerthError(
    'cli/no-answer',
    `could not ask the boot of process ${pid} to shut down: it has no socket`,
    { hint: `send it SIGTERM: \`kill ${pid}\`` },
  )
}
