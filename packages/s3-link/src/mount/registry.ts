import { createHash } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import { readStatusFile, writeStatusFile } from './status-file.ts'
import type { DriverName } from '../driver/driver.ts'
import type { Places } from './places.ts'
import type { Identity } from './identity.ts'
import type { LinkStatus } from './link-status.ts'
import type { ProcessFacts } from './process-facts.ts'

/** A folder that leads into a mount. Lies beside the mount, so that the mount knows who needs it. */
export interface LinkRecord {
  /** Where apps find it. */
  path: string
  user: string
  /** Below the mount's prefix. */
  subfolder: string
  /** Where it leads while the mount works. */
  target: string
  /** Where it leads otherwise: on the disk of the folder, as lasting as the folder itself. */
  spool: string
}

/** What is known of a mount without its keys, readable by this user alone. */
export interface MountRecord {
  key: string
  driver: DriverName
  /** Without keys. */
  store: string
  mountPoint: string
  cache: string
  keeper: ProcessFacts
  daemon?: ProcessFacts
  /** Which bucket it is, where that was read. */
  identity?: Identity | undefined
}

const mode = 0o600

/** The files of one mount. */
export function openRegistry(places: Places, key: string) {
  const folder = join(places.runtime, key)
  const links = join(folder, 'links')
  return {
    folder,
    socket: join(folder, 'private', 'keeper.sock'),
    /** What the keeper was started with, keys included. */
    orders: join(folder, 'private', 'orders.json'),
    readMount: () => readJson<MountRecord>(join(folder, 'mount.json')),
    writeMount: (record: MountRecord) => writeJson(join(folder, 'mount.json'), record),
    readStatus: () => readStatusFile(join(folder, 'status.json')),
    writeStatus: (status: LinkStatus) => writeStatusFile(join(folder, 'status.json'), status),
    readLinks: async (): Promise<LinkRecord[]> => {
      const names = await readdir(links).catch(() => [])
      const records = names
        .filter((name) => name.endsWith('.json'))
        .toSorted()
        .map((name) => readJson<LinkRecord>(join(links, name)))
      return (await Promise.all(records)).filter((record) => record !== undefined)
    },
    addLink: (link: LinkRecord) => writeJson(join(links, nameOf(link.path)), link),
    removeLink: (path: string) => rm(join(links, nameOf(path)), { force: true }),
    forget: async () => {
      await rm(join(folder, 'private'), { recursive: true, force: true })
      await rm(join(folder, 'mount.json'), { force: true })
    },
  }
}

export type Registry = ReturnType<typeof openRegistry>

/** The keys of all mounts that there are records of. */
export async function listMounts(places: Places): Promise<string[]> {
  const names = await readdir(places.runtime).catch(() => [])
  return names.filter((name) => /^[0-9a-f]{12}$/.test(name)).toSorted()
}

/** The folder on this disk that a link leads to while its mount does not work: beside the link, and as lasting. */
export function spoolOf(path: string): string {
  return join(stateOf(path), 'spool')
}

/** Where the state of a link lies, beside it. */
export function stateOf(path: string): string {
  return join(dirname(path), '.berth', 's3-link', basename(path))
}

function nameOf(path: string): string {
  return `${createHash('sha256').update(path).digest('hex').slice(0, 12)}.json`
}

async function readJson<Value>(path: string): Promise<Value | undefined> {
  const data = await readFileIfPresent(path)
  return data === undefined ? undefined : (JSON.parse(data.toString()) as Value)
}

function writeJson(path: string, value: unknown): Promise<void> {
  return writeFileAtomic(path, `${JSON.stringify(value)}\n`, { mode, directoryMode: 0o711 })
}
