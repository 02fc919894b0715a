import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isMountpoint, refuseSystemRoot, relateDirectories } from '@berth/filesystem'

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
