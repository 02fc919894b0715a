import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import { mountAt } from './mount-table.ts'
import { runShort } from './short-command.ts'

const tries = [['fusermount3', '-u'], ['fusermount', '-u'], ['umount']] as const

/**
 * Unmounts what is at the path, never lazily: a mount that is in use stays, and the answer is false. The daemon sends what it holds
 * before the mount is gone.
 */
export async function unmount(path: string, withinMs: number): Promise<boolean> {
  for (const command of tries) {
    if ((await mountAt(path)) === undefined) return true
    const { code } = await runShort([...command, path], withinMs)
    if (code === 127) continue
    if (code === 0) return (await mountAt(path)) === undefined
  }
  return (await mountAt(path)) === undefined
}

/**
 * Takes away what a daemon left that is gone or broken. Only a mount without a live daemon is taken away lazily: nothing can be sent through
 * it any more.
 */
export async function detach({ mountPoint }: { mountPoint: string }): Promise<void> {
  if (await unmount(mountPoint, 5_000)) return
  const { said } = await runShort(['stat', '-f', '--', mountPoint], 3_000)
  if (/not connected/i.test(said)) {
    await runShort(['fusermount3', '-uz', mountPoint], 5_000)
    if ((await mountAt(mountPoint)) !== undefined)
      await runShort(['umount', '-l', mountPoint], 5_000)
    await sleep(20)
  }
  const left = await mountAt(mountPoint)
  if (left === undefined) return
  throw new BerthError(
    's3-link/mount-busy',
    `could not mount at \`${mountPoint}\`: ${left.type} is mounted there, and in use`,
    { hint: 'end the programs that use it, or unmount it' },
  )
}
