import {
  BerthError,
  done,
  parseDuration,
  type PlannedAction,
  type StepContext,
  type UndoContext,
  unchanged,
} from '@berth/core'
import { findPlaces, type Places } from '../mount/places.ts'
import { listMounts, openRegistry } from '../mount/registry.ts'
import type { StopAnswer } from '../mount/keeper-contract.ts'
import { leaveMount, stopMount } from '../mount/stop-mount.ts'
import { amountText } from './amounts.ts'
import { findFolder } from './find-folder.ts'

export interface UnmountInputs {
  workspace: string
  folder: string
  user: string
  within: string
}

/** What ending a mount needs of a step's context. */
export type UnmountContext = Pick<
  StepContext<UnmountInputs>,
  'inputs' | 'env' | 'workingDirectory' | 'deadline'
>

/** What is left of the time for the end of the pipeline itself. */
const reserveMs = 500

export async function planUnmount(context: UnmountContext): Promise<PlannedAction> {
  const { path, keys } = await find(context)
  return keys.length === 0
    ? { action: 'unchanged', summary: `\`${path}\` is not linked` }
    : { action: 'run', summary: `sends what \`${path}\` holds and unmounts it` }
}

/** Ends the mount that a folder leads into; the folder leads to the disk until it is linked again. */
export async function unmountFolder(context: UnmountContext) {
  const { path, mounted: keys, places } = await find(context)
  if (keys.length === 0) return unchanged('it is not mounted', { path })
  const deadline = deadlineOf(context)
  for (const key of keys) await stopOrThrow(places, key, deadline)
  return done({ path })
}

/** The link step's undo: what is not in S3 yet is sent, and the mount is gone. */
export async function undoLink({ data, env, deadline }: UndoContext): Promise<void> {
  const { key } = data as { key: string; path: string }
  const until = (deadline ?? Date.now() + 120_000) - reserveMs
  await stopOrThrow(findPlaces(env), key, until)
}

/** Throws `s3-link/not-sent` when it can't be stopped in time; it stays mounted then. Throws `s3-link/not-arrived` when it is. */
export async function stopOrThrow(places: Places, key: string, deadline: number): Promise<void> {
  const answer = await stopMount(places, key, deadline)
  if (!answer.isStopped) throw notSent('could not unmount in time', answer)
  requireArrived(answer)
}

function requireArrived(answer: StopAnswer): void {
  const missing = (answer.missing ?? []).map((name) => `\`${name}\``)
  if (missing.length === 0) return
  throw new BerthError(
    's3-link/not-arrived',
    `could not find ${counted(missing.length)} in S3 that programs closed: ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''}`,
    {
      hint: 'write them again where the program that closed them took no notice of the error that it got',
      excerpt: missing.slice(0, 20).join('\n'),
    },
  )
}

/** The same for one link: the first when what was written through it can't be sent in time; it stays linked then. */
export async function leaveOrThrow(
  places: Places,
  key: string,
  link: { path: string; deadline: number },
): Promise<void> {
  const answer = await leaveMount(places, key, link)
  if (!answer.isStopped) throw notSent(`could not unlink \`${link.path}\` in time`, answer)
  requireArrived(answer)
}

function counted(files: number): string {
  return `${files} ${files === 1 ? 'file' : 'files'}`
}

function notSent(what: string, { pending, holders }: StopAnswer): BerthError {
  const names = pending.names.slice(0, 5).map((name) => `\`${name}\``)
  const held = holders.length === 0 ? '' : `; open in ${holders.slice(0, 5).join(', ')}`
  return new BerthError(
    's3-link/not-sent',
    `${what}: not in S3 yet are ${amountText(pending)}${held}`,
    {
      hint: 'end the programs that write, and give more time: `within`, or a longer `--grace`',
      ...(names.length === 0 ? {} : { excerpt: names.join('\n') }),
    },
  )
}

/** When the time is over that the step, or its pipeline, has. */
export function deadlineOf({ inputs, deadline }: UnmountContext): number {
  const own = Date.now() + parseDuration(inputs.within)
  return deadline === undefined ? own : Math.min(own, deadline - reserveMs)
}

/** The folder, and the keys of the mounts that know it, of all and of those that are not ended. */
export async function find({ inputs, env, workingDirectory }: UnmountContext) {
  const { path } = findFolder({ inputs, workingDirectory })
  const places = findPlaces(env)
  const keys: string[] = []
  const mounted: string[] = []
  for (const key of await listMounts(places)) {
    const registry = openRegistry(places, key)
    if (!(await registry.readLinks()).some((link) => link.path === path)) continue
    keys.push(key)
    if ((await registry.readMount()) !== undefined) mounted.push(key)
  }
  return { path, keys, mounted, places }
}
