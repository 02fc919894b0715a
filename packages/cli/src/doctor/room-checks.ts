import { existsSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { doubtStore } from '@berth/object-store'
import { formatBytes, formatCount } from '../reporters/format.ts'
import { type Check, ok, told, warning } from './check.ts'

const gibibyte = 1024 ** 3

/** A venv has some 60,000 files. */
const fewFiles = 100_000

/** Numbers of file systems, from statfs(2). */
const overlayType = 0x79_4c_76_30
const temporaryType = 0x01_02_19_94

/** How much room there is for what a directory will hold. */
export function roomCheck(name: string, directory: string): Check {
  const there = nearestExisting(directory)
  try {
    const { bavail, bsize, ffree, files, type } = statfsSync(there)
    const bytes = bavail * bsize
    const kinds = new Map([
      [overlayType, ', on the container’s own disk, which is wiped with it'],
      [temporaryType, ', in memory'],
    ])
    const inodes = files === 0 ? '' : ` and ${formatCount(ffree)} files`
    const said = `${directory}: ${formatBytes(bytes)}${inodes} free${kinds.get(type) ?? ''}`
    if (bytes < gibibyte)
      return warning(name, said, 'make room, or give the container a bigger disk')
    if (files > 0 && ffree < fewFiles) {
      return warning(name, said, 'a venv has some 60,000 files: use a disk with more inodes')
    }
    return ok(name, said)
  } catch (error) {
    return warning(name, `${directory} can't be asked: ${(error as Error).message}`, 'see `df`')
  }
}

/** Whether the directory of the app's data is there, and has room. */
export function workspaceCheck(name: string, directory: string): Check {
  if (existsSync(directory)) return roomCheck(name, directory)
  const hint = 'mount its volume, make it, or name the one that is meant: `berth doctor DIRECTORY`'
  return warning(name, `${directory} is not there`, hint)
}

/** Whether a store that is a directory is there, takes files, and has room. */
export async function storeCheck(url: string, directory: string): Promise<Check> {
  const doubt = await doubtStore(url)
  if (doubt?.canSave === false) {
    return warning('store', doubt.text, 'mount it writable, run as its owner, or name another')
  }
  const room = roomCheck('store', directory)
  if (existsSync(directory)) return room
  return { ...room, said: `${room.said}; it is not there yet, and made by the first save` }
}

/** Docker gives 64 MB unless told otherwise; data loaders of PyTorch die of that. */
export function sharedMemoryCheck(root: string): Check {
  const directory = join(root, 'dev/shm')
  try {
    const { blocks, bsize } = statfsSync(directory)
    const bytes = blocks * bsize
    const said = `/dev/shm has ${formatBytes(bytes)}`
    if (bytes >= gibibyte) return ok('shared memory', said)
    return warning(
      'shared memory',
      `${said}, which is little for the data loaders of PyTorch`,
      'start the container with `--shm-size=1g` or more, or `--ipc=host`',
    )
  } catch {
    return told('shared memory', 'there is no /dev/shm')
  }
}

function nearestExisting(directory: string): string {
  let path = directory
  while (!existsSync(path) && path !== dirname(path)) path = dirname(path)
  return path
}
