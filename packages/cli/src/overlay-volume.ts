import { dirname } from 'node:path'
import { BerthError } from '@berth/core/error'

/** File systems that the kernel answers for alone; any other may wait for a server for ever. */
const local =
  /^(?:overlay|ext[234]|xfs|btrfs|zfs|f2fs|tmpfs|ramfs|squashfs|erofs|vfat|devtmpfs|devpts|proc|sysfs|cgroup2?|mqueue|hugetlbfs|nsfs|bpf|pstore|configfs|fusectl|binfmt_misc|debugfs|tracefs|securityfs|efivarfs)$/

/**
 * Makes sure that the volume of an overlay answers before the file is read: who reads from one that hangs can't even end. Throws
 * `filesystem/no-answer` after the time that a network volume is given. Nothing is asked where no mount of this machine has a server, wherever links may lead.
 */
export async function requireAnswer(overlay: string): Promise<void> {
  const { inspectDirectory, readMounts } = await import('@berth/filesystem')
  const mounts = await readMounts()
  if (mounts.every(({ type }) => local.test(type))) return
  const { reason } = await inspectDirectory(dirname(overlay))
  if (reason?.code !== noAnswer) return
  throw new BerthError(reason.code, reason.message, {
    hint: 'see whether its server lives, and mount it again',
  })
}

/** The code of the error for a volume that does not answer. */
export const noAnswer = 'filesystem/no-answer'
