import { setTimeout as sleep } from 'node:timers/promises'
import { heldBy } from './held-files.ts'
import { ask } from './keeper-protocol.ts'
import { linkOf } from './link-of.ts'
import type { Places } from './places.ts'
import { listMounts, openRegistry } from './registry.ts'
import { rescueFiles } from './rescue.ts'

const patienceMs = 3_000
const endingMs = 120_000

/**
 * A link that led into other mounts leads there no more. What the daemon of one that does not work has of this link's files is copied beside
 * the folder, to be sent with what works now: new keys, for example. A mount that no link needs any more is asked to end itself.
 */
export async function leaveOthers(path: string, key: string, places: Places): Promise<void> {
  for (const other of await listMounts(places)) {
    if (other !== key) await leave(path, other, places)
  }
}

async function leave(path: string, key: string, places: Places): Promise<void> {
  const registry = openRegistry(places, key)
  const links = await registry.readLinks()
  const link = links.find((found) => found.path === path)
  if (link === undefined) return
  const mount = await registry.readMount()
  if (mount !== undefined && (await registry.readStatus())?.colour !== 'green') {
    const held = (await heldBy(mount)).filter(({ name }) => {
      return name !== undefined && linkOf(name, links)?.link === link
    })
    await rescueFiles({ held, mountPoint: mount.mountPoint, links: [link], wholeOnly: true })
  }
  await registry.removeLink(path)
  if (links.length > 1 || mount === undefined) return
  const deadline = Date.now() + endingMs
  await Promise.race([ask(registry.socket, { verb: 'stop', deadline }), sleep(patienceMs)])
}
