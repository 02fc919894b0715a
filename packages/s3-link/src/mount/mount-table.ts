import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { readMounts, type Mount } from '@berth/filesystem'
import { parseMacMounts } from './mac-mounts.ts'

/** What is mounted exactly here and seen: of several mounts over each other the last. Reads the kernel's table, which never blocks. */
export async function mountAt(path: string): Promise<Mount | undefined> {
  const mounts = process.platform === 'darwin' ? await askMount() : await readMounts()
  return mounts.findLast(({ mountPoint }) => mountPoint === path)
}

/** macOS has no file of mounts. */
async function askMount(): Promise<Mount[]> {
  const { stdout } = await promisify(execFile)('/sbin/mount', { timeout: 5_000 })
  return parseMacMounts(stdout)
}
