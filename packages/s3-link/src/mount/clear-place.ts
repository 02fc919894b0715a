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

/**
 * Makes a mount's place ready: takes away what a daemon left that is gone, and moves files that programs wrote there while nothing was mounted
 * into the spools of the links, to be sent; a mount would hide them, and their disk is memory. Answers where they are. Throws `s3-link/mount-busy` while
 * something is still written there.
 */
export async function clearPlace(
  mountPoint: string,
  links: readonly LinkRecord[],
): Promise<string[]> {
  if ((await mountAt(mountPoint)) !== undefined) await detach({ mountPoint })
  const { files, folders } = await listFolder(mountPoint).catch(() => ({ files: [], folders: [] }))
  const [writer] = files.length === 0 ? [] : await openForWriting(mountPoint)
  if (writer !== undefined) {
    throw new BerthError(
      's3-link/mount-busy',
      `could not mount at \`${mountPoint}\`: process ${writer.pid} writes to \`${writer.path}\` there`,
      { hint: 'end the programs that use it' },
    )
  }
  const moved: string[] = []
  const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  for (const name of files) {
    const path = placeOf(mountPoint, name)
    const text = Buffer.from(name, 'latin1').toString()
    const found = linkOf(text, links)
    const link = found?.link ?? links[0]
    // Without a link there is nowhere to move it to; the daemon refuses a place that is not empty.
    if (link === undefined) continue
    const other = join('rescued', stamp, text)
    const kept = await copyIntoSpool({
      source: path,
      spool: link.spool,
      name: found?.rest ?? other,
      otherName: other,
    })
    if (kept === undefined) continue
    await unlink(path)
    moved.push(join(link.spool, kept.name))
  }
  for (const folder of folders) {
    if (folder !== '') await rmdir(placeOf(mountPoint, folder)).catch(() => undefined)
  }
  return moved
}
