import { done, type PlannedAction, type StepContext } from '@berth/core'
import { findPlaces, type Places } from '../mount/places.ts'
import type { LinkStatus } from '../mount/link-status.ts'
import { isRunning } from '../mount/process-facts.ts'
import { listMounts, openRegistry } from '../mount/registry.ts'

/** Every mount's last status, from the disk: nothing that hangs is asked. */
export async function readStatuses(places: Places): Promise<LinkStatus[]> {
  const keys = await listMounts(places)
  const found = await Promise.all(keys.map((key) => readOne(places, key)))
  return found.filter((status) => status !== undefined)
}

async function readOne(places: Places, key: string): Promise<LinkStatus | undefined> {
  const registry = openRegistry(places, key)
  const [status, mount] = await Promise.all([registry.readStatus(), registry.readMount()])
  if (status === undefined || mount === undefined) return undefined
  if (await isRunning(mount.keeper)) return status
  return {
    ...status,
    state: 'broken',
    colour: 'red',
    reason: {
      code: 's3-link/keeper-ended',
      message: 'the process that stayed with the mount is gone',
      hint: 'link again, or unmount',
    },
    safeToStop: { ...status.safeToStop, safe: false, seconds: null },
  }
}

export function planStatus(): PlannedAction {
  return { action: 'run', summary: 'says how each link is' }
}

export async function showStatus({ env, log }: Pick<StepContext, 'env' | 'log'>) {
  const statuses = await readStatuses(findPlaces(env))
  for (const status of statuses) for (const line of statusLines(status)) log(line)
  const waiting = statuses.map(({ safeToStop }) => safeToStop)
  const order = ['green', 'yellow', 'red']
  const worst = Math.max(0, ...statuses.map(({ colour }) => order.indexOf(colour)))
  return done({
    colour: statuses.length === 0 ? 'none' : (order[worst] ?? 'red'),
    safe: waiting.every(({ safe }) => safe),
    files: waiting.reduce((sum, { files }) => sum + files, 0),
    bytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0),
  })
}

/** A status in lines: the colour, where links lead, and whether the pod may be stopped. */
export function statusLines(status: LinkStatus): string[] {
  const { colour, state, driver, store, reason, links, safeToStop } = status
  const { safe, files, bytes, seconds } = safeToStop
  const about = seconds === null ? '' : `, about ${seconds} s`
  return [
    `${colour}: ${store} is ${state} with ${driver}`,
    ...(reason === null ? [] : [`  ${reason.message}`, `  ${reason.hint}`]),
    ...links.map(({ path, leadsTo }) => `  ${path} leads to the ${leadsTo}`),
    safe
      ? '  safe to stop this pod: yes'
      : `  safe to stop this pod: no, ${files} files, ${bytes} bytes${about}`,
  ]
}
