import { lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isBerthError } from '@berth/core/error'
import { isMountpoint, readRoom } from '@berth/filesystem'
import { inspectFolder } from '../mount/link-folder.ts'
import type { Layout } from '../mount/layout.ts'
import { explainKeysOnDisk, type Places } from '../mount/places.ts'
import { type Check, failedCheck } from './check.ts'

const gibi = 1024 ** 3
/** s3fs keeps what is open on the disk, rclone what is not sent: less has damaged files. */
const leastRoom = 2 * gibi

/** Whether there is room for what is not sent yet: under the mount, and beside the folder. */
export async function checkRoom(places: Places, layout: Layout): Promise<Check[]> {
  const found = await Promise.all(
    [
      ['room', places.cache, 'what is open or not sent yet'],
      ['spool', dirname(layout.path), 'what is written while a mount does not work'],
    ].map(async ([name = '', path = '', what = '']): Promise<Check> => {
      const { freeBytes } = await readRoom(path)
      const said = `${(freeBytes / gibi).toFixed(1)} GiB at \`${path}\` for ${what}`
      if (freeBytes >= leastRoom) return { name, result: 'ok', said }
      return {
        name,
        result: 'warning',
        said,
        code: 's3-link/no-room',
        hint: 'free some space there',
      }
    }),
  )
  const exposed = explainKeysOnDisk(places)
  if (exposed === undefined) return found
  const { message: said, hint } = exposed
  return [...found, { name: 'keys', result: 'warning', said, hint }]
}

/** What is in the place of a link: only a plain folder, or a link of ours, can become one. */
export async function checkFolder(layout: Layout, places: Places): Promise<Check> {
  const { path } = layout
  const name = 'folder'
  try {
    const found = await inspectFolder(path, places, true)
    if (await isMountpoint(path)) {
      return {
        name,
        result: 'warning',
        said: `something is mounted at \`${path}\`: it can be watched, and not become a link`,
        code: 's3-link/is-mountpoint',
        hint: 'use `driver: watch`, or link a folder below it',
      }
    }
    if (await isOnAnotherDisk(path)) {
      return {
        name,
        result: 'warning',
        said: `\`${path}\` is on another file system than the folder it is in`,
        hint: 'use `driver: watch`: it may not be possible to put a link in its place',
      }
    }
    return { name, result: 'ok', said: `\`${path}\` ${kinds[found]}` }
  } catch (error) {
    if (isBerthError(error)) return failedCheck(name, error)
    throw error
  }
}

const kinds = {
  absent: 'is not there yet, and will be made',
  empty: 'is empty',
  filled: 'has files, which are sent before a link takes its place; the original is kept',
  ours: 'is a link of Berth’s',
}

async function isOnAnotherDisk(path: string): Promise<boolean> {
  const [own, above] = await Promise.all(
    [path, join(path, '..')].map((place) => lstat(place).catch(() => undefined)),
  )
  return own !== undefined && above !== undefined && own.isDirectory() && own.dev !== above.dev
}
