import { rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { listFolder } from '../watch/list-folder.ts'
import { placeOf } from '../watch/scan-folder.ts'
import { linkOf } from './link-of.ts'
import { mountAt } from './mount-table.ts'
import type { LinkRecord } from './registry.ts'
import { copyIntoSpool } from './spool-file.ts'
import { detach } from './unmount.ts'
import { openForWriting } from './writers.ts'

export interface PlaceToClear {
  mountPoint: string
  links: readonly LinkRecord[]
  /** On the disk; takes what is found while there is no link yet. */
  found: string
}

/**
 * Makes a mount's place ready: takes away what a daemon left that is gone, and moves files that programs wrote there while nothing was mounted
 * into the spools of the links, to be sent; a mount would hide them, and their disk is memory. Answers where they are. Throws
 * `s3-link/mount-busy` while something is still written there.
 */
export async function clearPlace({ mountPoint, links, found }: PlaceToClear): Promise<string[]> {
  if ((await mountAt(mountPoint)) !== undefined) await detach({ mountPoint })
  const [writer] = await openForWriting(mountPoint)
  if (writer !== undefined) {
    throw new BerthError(
      's3-link/mount-busy',
      `could not mount at \`${mountPoint}\`: process ${writer.pid} writes to \`${writer.path}\` there`,
      { hint: 'end the programs that use it' },
    )
  }
  if (links.length > 0) return moveToSpools(mountPoint, links)
  const holder = { path: '', user: '', subfolder: '', target: '', spool: found }
  await moveToSpools(mountPoint, [holder])
  return []
}

/** Moves every file of a folder into the spool of the link that it belongs to by its name, else the first one's. Answers where they are. */
export async function moveToSpools(
  folder: string,
  links: readonly LinkRecord[],
): Promise<string[]> {
  const { files, folders } = await listFolder(folder).catch(() => ({ files: [], folders: [] }))
  const moved: string[] = []
  const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  for (const name of files) {
    const path = placeOf(folder, name)
    const text = Buffer.from(name, 'latin1').toString()
    const known = linkOf(text, links)
    const link = known?.link ?? links[0]
    if (link === undefined) continue
    const other = join('rescued', stamp, text)
    const kept = await copyIntoSpool({
      source: path,
      spool: link.spool,
      name: known?.rest ?? other,
      otherName: other,
    })
    if (kept === undefined) continue
    await unlink(path)
    moved.push(join(link.spool, kept.name))
  }
  for (const below of folders) {
    if (below !== '') await rmdir(placeOf(folder, below)).catch(() => undefined)
  }
  return moved
}
