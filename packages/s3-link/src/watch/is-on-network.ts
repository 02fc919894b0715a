import { mountOf, readMounts } from '@berth/filesystem'

/** Whether other machines may write there, of which the kernel tells nothing. */
export async function isOnNetwork(root: string): Promise<boolean> {
  const type = mountOf(root, await readMounts())?.type ?? ''
  return /^(nfs|cifs|smb|fuse|9p|virtiofs|ceph|lustre|gluster|mfs|moosefs|beegfs|afs|gpfs)/.test(
    type,
  )
}
