import type { Peer } from './peer.ts'
import { FILES_PREFIX, uploadFiles } from './rclone.ts'

export const aws: Peer = {
  name: 'aws',
  about: 'aws s3 sync',
  program: 'aws',
  async prepare(bench) {
    await uploadFiles(bench)
  },
  restore: ({ server }, { directory }) => {
    const from = `s3://${server.bucket}/${FILES_PREFIX}`
    const where = ['--endpoint-url', server.endpoint, '--only-show-errors']
    return [[['aws', 's3', 'sync', ...where, from, directory]]]
  },
}
