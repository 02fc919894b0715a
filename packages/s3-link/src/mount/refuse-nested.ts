import { basename, dirname, join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { isInside } from '@berth/filesystem'
import type { Places } from './places.ts'
import { listMounts, openRegistry } from './registry.ts'
import { runShort } from './short-command.ts'

/**
 * Throws `s3-link/nested` for a link that lies in another, holds another, lies in a mount, or would hold the keys and what is not sent: each
 * would show up in a bucket, and end with it.
 */
export async function refuseNested(path: string, places: Places): Promise<void> {
  for (const own of [places.runtime, places.cache]) {
    if (isInside(own, path) || isInside(path, own) || own === path) {
      throw nested(path, `\`${own}\` is where mounts and keys are kept`, 'choose another folder')
    }
  }
  const keys = await listMounts(places)
  const real = keys.length === 0 ? path : await resolved(path)
  for (const key of keys) {
    const registry = openRegistry(places, key)
    const mount = await registry.readMount()
    if (mount !== undefined && mount.driver !== 'watch' && isInside(real, mount.mountPoint)) {
      throw nested(path, 'it lies in a bucket that is mounted', 'choose a folder on this disk')
    }
    for (const link of await registry.readLinks()) {
      if (!isInside(path, link.path) && !isInside(link.path, path)) continue
      throw nested(
        path,
        `\`${link.path}\` is a link already`,
        'links can’t lie in each other; unlink that one first',
      )
    }
  }
}

/** Without the links on the way to it. Asked of another process: a mount that hangs would keep us. */
async function resolved(path: string): Promise<string> {
  const { code, said } = await runShort(['readlink', '-m', '--', dirname(path)], 3_000)
  return code === 0 && said.startsWith('/') ? join(said, basename(path)) : path
}

function nested(path: string, why: string, hint: string): BerthError {
  return new BerthError('s3-link/nested', `could not link \`${path}\`: ${why}`, { hint })
}
