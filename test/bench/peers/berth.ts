import * as path from 'node:path'
import { measure } from '../measure.ts'
import type { Bench, Peer } from './peer.ts'

/** The archive's name: what recipes/comfyui.yaml calls it. */
export const ARCHIVE = 'comfyui/venv'

/** Where in the store the tree of the restores lies. */
export const BERTH_PREFIX = 'berth'

/** As it is installed: the build, not the sources. */
export const BERTH = path.resolve(import.meta.dirname, '../../../packages/cli/dist/bin/berth')

export const berth: Peer = {
  name: 'berth',
  about: 'berth archive restore',
  async prepare(bench) {
    await measure([[berthCommand(bench, 'save', bench.tree)]], {
      ...bench,
      folder: bench.work,
    })
  },
  restore: (bench, { directory }) => [[berthCommand(bench, 'restore', directory)]],
}

/** `berth archive` on the bench's archive, in the store's folder `prefix`. */
export function berthCommand(
  bench: Bench,
  verb: 'save' | 'restore',
  directory: string,
  prefix = BERTH_PREFIX,
): string[] {
  const options = ['--store', storeUrl(bench, prefix), '--name', ARCHIVE]
  return [BERTH, 'archive', verb, directory, ...options]
}

export function storeUrl({ server }: Bench, prefix: string): string {
  return `s3://${server.bucket}/${prefix}?endpoint=${server.endpoint}`
}
