import { done, type PlannedAction, type StepContext } from '@berth/core'
import { namesIn, readLeftBehind } from '../mount/left-behind.ts'
import type { LinkStatus } from '../mount/link-status.ts'
import { findPlaces, type Places } from '../mount/places.ts'
import { isRunning } from '../mount/process-facts.ts'
import { listMounts, openRegistry, spoolOf } from '../mount/registry.ts'
import { reviveKeepers } from '../mount/revive.ts'
import { amountText, roughTime } from './amounts.ts'
import { findFolder, type FolderQuestion } from './find-folder.ts'

/** It is written every second, and later only when the machine or a disk makes everyone wait. */
const staleSeconds = 60

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
  if (await isRunning(mount.keeper)) return withAge(status)
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

/** A keeper that does not get to writing any more knows nothing of what waits. */
function withAge(status: LinkStatus): LinkStatus {
  const age = Math.round((Date.now() - status.updatedAt) / 1000)
  if (age < staleSeconds) return status
  return {
    ...status,
    colour: 'red',
    reason: {
      code: 's3-link/stale-status',
      message: `the process that stays with the mount has said nothing for ${age} s`,
      hint: 'see whether its disk is full, or the machine is overloaded',
    },
    safeToStop: { ...status.safeToStop, safe: false, seconds: null },
  }
}

export function planStatus(): PlannedAction {
  return { action: 'run', summary: 'says how each link is' }
}

type StatusContext = FolderQuestion & Pick<StepContext, 'env' | 'log'>

export async function showStatus({ inputs, workingDirectory, env, log }: StatusContext) {
  const { path } = findFolder({ inputs, workingDirectory })
  const places = findPlaces(env)
  const revived = await reviveKeepers(places)
  if (revived.length > 0) log.warn(`${revived.length} mounts had lost who stays with them`)
  const statuses = await readStatuses(places)
  for (const status of statuses) for (const line of statusLines(status)) log(line)
  const isKept = statuses.some(({ links }) => links.some((link) => link.path === path))
  const waiting = [
    ...statuses.map(({ safeToStop }) => safeToStop),
    ...(isKept ? [] : [await lookBeside(path, places, log)]),
  ]
  const order = ['green', 'yellow', 'red']
  const worst = Math.max(0, ...statuses.map(({ colour }) => order.indexOf(colour)))
  return done({
    colour: statuses.length === 0 ? 'none' : (order[worst] ?? 'red'),
    safe: waiting.every(({ safe }) => safe),
    files: waiting.reduce((sum, { files }) => sum + files, 0),
    bytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0),
  })
}

/** What a folder has that nothing here stays with: unmounted before, or linked by a container that is gone. */
async function lookBeside(path: string, places: Places, log: StepContext['log']) {
  const { waiting, isOwned, isUnwatched } = await readLeftBehind(path, places)
  const { files, bytes } = waiting
  if (isOwned) {
    log.warn(
      `\`${path}\` was left without an end, or is kept elsewhere: link it to know what waits`,
    )
  }
  if (isUnwatched)
    log.warn(`\`${path}\` is not watched any more: what was written since is not counted`)
  if (files > 0) {
    const spool = spoolOf(path)
    const names = namesIn(spool, waiting)
    log.warn(`${amountText(waiting)}, may be on this disk only, in \`${spool}\`: ${names}`)
  }
  return { safe: files === 0 && !isOwned && !isUnwatched, files, bytes }
}

/** A status in lines: the colour, where links lead, and whether the pod may be stopped. */
export function statusLines(status: LinkStatus): string[] {
  const { colour, state, driver, store, reason, warnings, links, safeToStop } = status
  const { safe, files, bytes, seconds } = safeToStop
  const about = seconds === null ? '' : `, about ${roughTime(seconds)}`
  return [
    `${colour}: ${store} is ${state} with ${driver}`,
    ...[reason ?? [], warnings]
      .flat()
      .flatMap(({ message, hint }) => [`  ${message}`, `  ${hint}`]),
    ...links.map(({ path, leadsTo }) => `  ${path} leads to the ${leadsTo}`),
    safe
      ? '  safe to stop this pod: yes'
      : `  safe to stop this pod: no, ${amountText({ files, bytes })}${about}`,
  ]
}
