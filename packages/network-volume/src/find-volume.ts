import { resolve } from 'node:path'
import { isBerthError } from '@berth/core'
import {
  isMountpoint,
  mountOf,
  readMounts,
  refuseSystemRoot,
  resolveReal,
  type DirectoryProbe,
} from '@berth/filesystem'

export interface FoundVolume {
  /** Absolute; empty when no candidate is usable. */
  path: string
  freeBytes: number
  type: string
  /** What a user should know about it; empty when there is nothing. */
  note: string
  refused: { path: string; code: string; reason: string }[]
}

export interface VolumeSearch {
  candidates: readonly string[]
  workingDirectory: string
  examine: (path: string) => Promise<DirectoryProbe>
}

/** The first candidate that `examine` finds usable, and why those before it are not. One after the other: a probe writes. */
export async function findVolume(search: VolumeSearch): Promise<FoundVolume> {
  const refused: FoundVolume['refused'] = []
  for (const candidate of search.candidates) {
    if (candidate.trim() === '') continue
    const path = resolve(search.workingDirectory, candidate)
    const problem = await refuseOccupied(path)
    if (problem !== undefined) {
      refused.push({ path, ...problem })
      continue
    }
    const probe = await search.examine(path)
    if (probe.usable) {
      const { freeBytes, type } = probe
      return { path, freeBytes, type, note: await noteOn(path), refused }
    }
    const { code, message } = probe.reason ?? { code: 'filesystem/unusable', message: 'no reason' }
    refused.push({ path, code, reason: withoutPath(message, path) })
  }
  return { path: '', freeBytes: 0, type: '', note: '', refused }
}

/** A directory of the system is a volume only where one is mounted over it, as at `/mnt`. */
async function refuseOccupied(path: string): Promise<{ code: string; reason: string } | undefined> {
  try {
    refuseSystemRoot(path)
    return undefined
  } catch (error) {
    if (!isBerthError(error)) throw error
    if (path !== '/' && (await isMountpoint(path).catch(() => false))) return undefined
    return { code: error.code, reason: 'it is a directory of the system' }
  }
}

/** Data on the container's own layer is wiped with the container, however much the path looks like a volume. */
async function noteOn(path: string): Promise<string> {
  const mount = mountOf(await resolveReal(path), await readMounts())
  if (mount?.mountPoint !== '/') return ''
  return `nothing is mounted at ${path}: what is copied there is on the container's own disk`
}

function withoutPath(message: string, path: string): string {
  return message.replace(`\`${path}\` `, 'it ')
}
