import { constants } from 'node:fs'
import { access, lstat, readdir, readlink, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { readRecord } from '@berth/archive'
import {
  isHalfMadeCopy,
  isInside,
  isMountpoint,
  refuseSystemRoot,
  relateDirectories,
  resolveReal,
  type Relation,
} from '@berth/filesystem'
import type { PodState, VolumeState } from './choose-source.ts'
import type { Links } from './link.ts'

/** One directory of a recipe, and the places that may hold it. */
export interface Place {
  /** As the recipe names it: relative, without `..`. */
  directory: string
  /** Where the app looks for it. */
  at: string
  /** The archive's name in the store. */
  archive: string
  /** Where the network volume would hold it. */
  onVolume: string | undefined
  /** Why the volume as a whole is passed over. */
  ignored: string | undefined
}

export interface PlacesQuestion {
  /** Absolute. */
  pod: string
  /** Absolute. */
  volume: string | undefined
  archive: string
  directories: readonly string[]
}

/** The places of each directory. Throws `filesystem/system-root` before anything is touched. */
export async function listPlaces(question: PlacesQuestion): Promise<Place[]> {
  const { pod, volume, archive, directories } = question
  const ignored = volume === undefined ? undefined : await whyIgnored(pod, volume)
  return directories.map((directory) => {
    const at = join(pod, directory)
    refuseSystemRoot(at)
    const onVolume = volume === undefined ? undefined : join(volume, directory)
    return { directory, at, archive: `${archive}/${directory}`, onVolume, ignored }
  })
}

/** A volume mounted below the pod's own disk is a place of its own; a mere directory there is wiped together with the pod. */
async function whyIgnored(pod: string, volume: string): Promise<string | undefined> {
  const relation = await relateDirectories(pod, volume)
  if (relation === 'same') return `${volume} and ${pod} are the same place`
  if (relation !== 'b-inside-a' || (await isMountpoint(volume))) return undefined
  const [a, b] = await Promise.all([pod, volume].map((path) => stat(path).catch(() => undefined)))
  return a?.dev === b?.dev ? `${volume} lies inside ${pod}, on the same disk` : undefined
}

/** Finds out what lies at the pod's own path; follows no link. */
export async function inspectPod(place: Place, links: Links): Promise<PodState> {
  const found = await lstatIfPresent(place.at)
  if (found === undefined) return { kind: 'absent' }
  if (found.isSymbolicLink()) return inspectLink(place, links)
  if (!found.isDirectory()) return { kind: 'file' }
  if (await isEmpty(place.at)) return { kind: 'empty' }
  const record = await readRecord(place.at)
  const isComplete = record?.complete === true && record.archive === place.archive
  return { kind: isComplete ? 'complete' : 'unrecorded' }
}

async function inspectLink({ directory, at, onVolume }: Place, links: Links): Promise<PodState> {
  const target = await readlink(at)
  const goal = resolve(dirname(at), target)
  const dangling = (await stat(at).catch(() => undefined)) === undefined
  const isOurs =
    target === links[directory] ||
    (onVolume !== undefined &&
      (goal === onVolume || (await resolveReal(goal)) === (await resolveReal(onVolume))))
  return { kind: isOurs ? 'our-link' : 'foreign-link', target, dangling }
}

/** Finds out what the volume holds of a directory. */
export async function inspectVolume(place: Place): Promise<VolumeState> {
  const { onVolume, ignored } = place
  if (ignored !== undefined) return { kind: 'ignored', reason: ignored }
  if (onVolume === undefined) return { kind: 'none' }
  try {
    const relation = await relatePlace(place.at, onVolume)
    if (relation !== 'apart') {
      return { kind: 'ignored', reason: relationReasons[relation](onVolume, place.at) }
    }
    return await inspectHeld(onVolume, place.archive)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return { kind: 'absent', reason: 'the volume does not have it' }
    }
    return { kind: 'unusable', reason: `${onVolume} can't be used: ${message}` }
  }
}

const relationReasons: Record<
  Exclude<Relation, 'apart'>,
  (volume: string, at: string) => string
> = {
  same: (volume, at) => `${volume} and ${at} are the same place`,
  'a-inside-b': (volume, at) => `${at} lies inside ${volume}`,
  'b-inside-a': (volume, at) => `${volume} lies inside ${at}`,
}

async function inspectHeld(onVolume: string, archive: string): Promise<VolumeState> {
  if (!(await stat(onVolume)).isDirectory()) {
    return { kind: 'unusable', reason: `${onVolume} is not a directory` }
  }
  if (await isEmpty(onVolume)) return { kind: 'empty', reason: `${onVolume} is empty` }
  // An app that can't write to its own cache or install a package is worse off than one that waits for the store.
  await access(onVolume, constants.R_OK | constants.W_OK | constants.X_OK)
  const copy = await findCopyUnderWay(onVolume)
  if (copy !== undefined) {
    return { kind: 'half-made', reason: `a copy to ${onVolume} is under way or broke off: ${copy}` }
  }
  const record = await readRecord(onVolume)
  if (record?.complete === false) {
    return { kind: 'half-made', reason: `a restore into ${onVolume} never ended` }
  }
  // Generations count within one archive; those of another tell nothing.
  if (record?.archive !== archive) return { kind: 'held', path: onVolume }
  return { kind: 'held', path: onVolume, generation: record.generation }
}

// The heartbeat of a copy touches it every minute; an hour covers clocks that differ.
const ABANDONED_MS = 3_600_000

/** A copy only ever takes an empty place, so one that was abandoned beside a directory says nothing about it. */
async function findCopyUnderWay(onVolume: string): Promise<string | undefined> {
  const parent = dirname(onVolume)
  const names = await readdir(parent)
  for (const name of names.filter((each) => isHalfMadeCopy(each, basename(onVolume)))) {
    const found = await stat(join(parent, name)).catch(() => undefined)
    if (found !== undefined && Date.now() - found.mtimeMs < ABANDONED_MS) return name
  }
  return undefined
}

/**
 * How a place lies to another directory: as `relateDirectories`, but a link at the place itself isn't followed, because it is the
 * link that would be replaced.
 */
async function relatePlace(at: string, other: string): Promise<Relation> {
  if ((await lstatIfPresent(at))?.isSymbolicLink() !== true) return relateDirectories(at, other)
  const [parent, real] = await Promise.all([resolveReal(dirname(at)), resolveReal(other)])
  const place = join(parent, basename(at))
  if (place === real) return 'same'
  if (isInside(place, real)) return 'a-inside-b'
  return isInside(real, place) ? 'b-inside-a' : 'apart'
}

async function isEmpty(directory: string): Promise<boolean> {
  // Where the directory is a mount point, Berth's own notes lie inside it.
  return (await readdir(directory)).every((name) => name === '.berth')
}

async function lstatIfPresent(path: string) {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}
