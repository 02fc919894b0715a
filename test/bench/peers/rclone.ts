import { measure } from '../measure.ts'
import type { Bench, Peer } from './peer.ts'

/** Each file as an object of its own; links as small files, which only rclone knows to be links. */
export const rclone: Peer = {
  name: 'rclone',
  about: 'rclone copy --transfers 32',
  program: 'rclone',
  async prepare(bench) {
    await uploadFiles(bench)
  },
  restore: (bench, { directory }) => [[rcloneCopy(remote(bench), directory)]],
}

/** For every program that restores plain files. Does nothing the second time. */
export async function uploadFiles(bench: Bench): Promise<void> {
  await measure([[rcloneCopy(bench.tree, remote(bench))]], { ...bench, folder: bench.work })
}

export const FILES_PREFIX = 'files'

function remote({ server }: Bench): string {
  return `:s3,provider=Other,env_auth=true,endpoint='${server.endpoint}':${server.bucket}/${FILES_PREFIX}`
}

function rcloneCopy(from: string, to: string): string[] {
  const settings = ['--config', '/dev/null', '--links', '--transfers', '32', '--checkers', '32']
  return ['rclone', 'copy', ...settings, '--s3-no-check-bucket', from, to]
}
