import * as fs from 'node:fs'
import * as path from 'node:path'
import { measure } from '../measure.ts'
import type { Bench, Peer } from './peer.ts'

export const desync: Peer = {
  name: 'desync',
  about: 'desync untar, from its chunks in the store',
  program: 'desync',
  async prepare(bench) {
    const options = ['-i', '-s', storeOf(bench), indexOf(bench), bench.tree]
    await measure([[desyncOn(bench, 'tar', options)]], { ...bench, folder: bench.work })
  },
  restore(bench, { directory }) {
    fs.mkdirSync(directory)
    const options = ['-i', '--no-same-owner', '-s', storeOf(bench), indexOf(bench), directory]
    return [[desyncOn(bench, 'untar', options)]]
  },
}

function desyncOn({ env, cores }: Bench, verb: string, options: string[]): string[] {
  // It reads its credentials from names of its own.
  const credentials = [
    `S3_ACCESS_KEY=${env['AWS_ACCESS_KEY_ID']}`,
    `S3_SECRET_KEY=${env['AWS_SECRET_ACCESS_KEY']}`,
    'S3_REGION=us-east-1',
  ]
  return ['env', ...credentials, 'desync', verb, '-n', String(4 * cores), ...options]
}

function storeOf({ server }: Bench): string {
  return `s3+${server.endpoint}/${server.bucket}/desync`
}

function indexOf({ work }: Bench): string {
  return path.join(work, 'tree.caidx')
}
