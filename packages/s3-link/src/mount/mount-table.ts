import { readMounts, type Mount } from '@berth/filesystem'

/** What is mounted exactly here and seen: of several mounts over each other the last. Reads the kernel's table, which never blocks. */
export async function mountAt(path: string): Promise<Mount | undefined> {
  return (await readMounts()).findLast(({ mountPoint }) => mountPoint === path)
}
