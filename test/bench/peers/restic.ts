import * as path from 'node:path'
import { measure } from '../measure.ts'
import type { Bench, Peer } from './peer.ts'

export const restic: Peer = {
  name: 'restic',
  about: 'restic restore latest',
  program: 'restic',
  async prepare(bench) {
    await initRestic(bench, 'restic')
    const cache = path.join(bench.work, 'restic-cache')
    await measure([[resticBackup(bench, 'restic', cache)]], { ...bench, folder: bench.work })
  },
  // A new cache each time: a pod whose disk was wiped has none.
  restore: (bench, { directory, scratch }) => [
    [
      [
        ...resticOn(bench, 'restic'),
        '--cache-dir',
        scratch,
        'restore',
        'latest:/',
        '--target',
        directory,
      ],
    ],
  ],
}

export async function initRestic(bench: Bench, prefix: string): Promise<void> {
  const init = [...resticOn(bench, prefix), '--no-cache', 'init']
  await measure([[init]], { ...bench, folder: bench.work })
}

/** From inside the tree, so that the snapshot holds its paths without the machine's. */
export function resticBackup(bench: Bench, prefix: string, cache: string): string[] {
  const backup = [...resticOn(bench, prefix), '--cache-dir', cache, 'backup', '.']
  return ['env', '--chdir', bench.tree, ...backup]
}

function resticOn({ server }: Bench, prefix: string): string[] {
  const connections = ['-o', 's3.connections=16']
  return ['restic', '-q', ...connections, '-r', `s3:${server.endpoint}/${server.bucket}/${prefix}`]
}
