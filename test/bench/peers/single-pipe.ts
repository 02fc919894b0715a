import * as fs from 'node:fs'
import { measure } from '../measure.ts'
import type { Bench, Peer } from './peer.ts'

const KEY = 'pipe/tree.tar.zst'

/** What one would write on the command line. */
export const singlePipe: Peer = {
  name: 'single-pipe',
  about: 's5cmd cat | zstd -d | tar x',
  program: 's5cmd',
  async prepare(bench) {
    await measure(pipeUp(bench, KEY), { ...bench, folder: bench.work })
  },
  restore({ server }, { directory }) {
    fs.mkdirSync(directory)
    const from = ['s5cmd', '--endpoint-url', server.endpoint, 'cat', `s3://${server.bucket}/${KEY}`]
    return [[from, ['zstd', '-dc'], untar(directory)]]
  },
}

/** As fast as GNU tar goes: it reads 256 KiB at a time, and sets no owner that is right already. */
export function untar(directory: string): string[] {
  return ['tar', '-x', '-P', '--no-same-owner', '-b', '512', '-C', directory]
}

/** The same the other way round, for a first save. */
export function pipeUp({ tree, server }: Bench, key: string): string[][][] {
  const to = ['s5cmd', '--endpoint-url', server.endpoint, 'pipe', `s3://${server.bucket}/${key}`]
  return [[['tar', '-c', '-C', tree, '.'], ['zstd', '-3', '-T0', '-c'], to]]
}
