import { rmdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type BerthError, isBerthError } from '@berth/core/error'
import type { Environment } from '@berth/object-store'
import { linkNameOf } from './mount-bucket.ts'
import { removeFolderLink } from './mount/link-folder.ts'
import { mountAt } from './mount/mount-table.ts'
import { findPlaces, type Places } from './mount/places.ts'
import { type LinkRecord, listMounts, openRegistry } from './mount/registry.ts'
import { leaveMount, stopMount } from './mount/stop-mount.ts'
import { isSameBucket } from './same-bucket.ts'

export interface UnmountBucketRequest {
  /** As for `mountBucket`; absent for all that this user has mounted. */
  bucket?: string | undefined
  /** Takes only these links away, and unmounts with the last one. */
  links?: readonly string[]
  /** The same for the link that `mountBucket` put there with this `root`. */
  root?: string | undefined
  /** Lets the links lead to this disk, until the bucket is mounted again. */
  keepLinks?: boolean
  env: Environment
  /** Milliseconds since the epoch. */
  deadline: number
}

export interface UnmountedBucket {
  mountPoint: string
  /**
   * `in-use`: other links need it, and it goes on. `late`: not everything could be sent in time; it stays mounted and goes on being sent.
   * `failed`: see `error`; the others were unmounted all the same.
   */
  state: 'unmounted' | 'in-use' | 'late' | 'failed'
  /** The links that were taken away. */
  links: string[]
  /** What is not in the bucket yet. */
  pending: { files: number; bytes: number }
  /** Programs that have files open for writing. */
  holders: string[]
  /** Files that programs closed and that are not in the bucket, of one that is unmounted: their programs got an error, and took no notice. */
  missing: string[]
  error?: BerthError
}

const nothing = { files: 0, bytes: 0 }

/**
 * Sends what is not in the bucket yet, unmounts it and takes its links away; never lazily, and never while something would be lost. What is
 * not mounted is none of the answer, so that a second call is a quiet one.
 */
export async function unmountBucket(request: UnmountBucketRequest): Promise<UnmountedBucket[]> {
  const places = findPlaces(request.env)
  const answers: UnmountedBucket[] = []
  for (const key of await listMounts(places)) {
    const answer = await unmountOne(request, places, key)
    if (answer !== undefined) answers.push(answer)
  }
  return answers
}

/** Whether this user has the bucket mounted by Berth, as the system's table of mounts shows it now. Asks nothing that could hang. */
export async function isMounted(bucket: string, env: Environment): Promise<boolean> {
  const places = findPlaces(env)
  for (const key of await listMounts(places)) {
    const record = await openRegistry(places, key).readMount()
    if (record === undefined || record.driver === 'watch') continue
    if (!isSameBucket(record.store, bucket)) continue
    if ((await mountAt(record.mountPoint)) !== undefined) return true
  }
  return false
}

async function unmountOne(
  { bucket, keepLinks = false, deadline, ...request }: UnmountBucketRequest,
  places: Places,
  key: string,
): Promise<UnmountedBucket | undefined> {
  const registry = openRegistry(places, key)
  const record = await registry.readMount()
  // A watched folder is no mount: to end it is for who linked it.
  if (record?.driver === 'watch') return undefined
  if (record !== undefined && bucket !== undefined && !isSameBucket(record.store, bucket)) return
  const links = await registry.readLinks()
  const wanted = wantedLinks(request, bucket)
  const chosen = wanted === undefined ? links : links.filter(({ path }) => wanted.includes(path))
  if (wanted !== undefined && chosen.length === 0) return undefined
  // Without a mount a link that was kept can still be taken away by its path.
  if (record === undefined && wanted === undefined) return undefined
  const answer: UnmountedBucket = {
    mountPoint: record?.mountPoint ?? '',
    state: 'in-use',
    links: [],
    pending: nothing,
    holders: [],
    missing: [],
  }
  if (record === undefined) answer.state = 'unmounted'
  else if (chosen.length === links.length) {
    Object.assign(answer, await stop(places, key, deadline))
    if (answer.state !== 'unmounted') return answer
  } else if (!keepLinks) {
    Object.assign(answer, await leave(places, key, { links: chosen, deadline }))
    if (answer.state !== 'in-use') return answer
  }
  if (keepLinks) return answer
  for (const { path, subfolder } of chosen) {
    if (await removeFolderLink(path, registry)) answer.links.push(path)
    // A link to a bucket has no folder of its own to leave behind, unless there are files in it.
    if (subfolder === '') await rmdir(path).catch(() => undefined)
  }
  return answer
}

async function stop(
  places: Places,
  key: string,
  deadline: number,
): Promise<Pick<UnmountedBucket, 'state' | 'pending' | 'holders' | 'missing' | 'error'>> {
  try {
    const { isStopped, pending, holders, missing = [] } = await stopMount(places, key, deadline)
    const { files, bytes } = pending
    return { state: isStopped ? 'unmounted' : 'late', pending: { files, bytes }, holders, missing }
  } catch (error) {
    if (!isBerthError(error)) throw error
    return { state: 'failed', pending: nothing, holders: [], missing: [], error }
  }
}

/** The same for some of its links. */
async function leave(
  places: Places,
  key: string,
  { links, deadline }: { links: readonly LinkRecord[]; deadline: number },
): Promise<Partial<UnmountedBucket>> {
  const missing: string[] = []
  for (const { path } of links) {
    const answer = await leaveMount(places, key, { path, deadline })
    const { files, bytes } = answer.pending
    const { holders } = answer
    if (!answer.isStopped) return { state: 'late', pending: { files, bytes }, holders }
    missing.push(...(answer.missing ?? []))
  }
  return { missing }
}

/** Undefined for every link. */
function wantedLinks(
  { links, root }: Pick<UnmountBucketRequest, 'links' | 'root'>,
  bucket: string | undefined,
): string[] | undefined {
  if (links === undefined && root === undefined) return undefined
  const paths = (links ?? []).map((path) => resolve(path))
  if (root === undefined || bucket === undefined) return paths
  return [...paths, join(resolve(root), linkNameOf(bucket))]
}
