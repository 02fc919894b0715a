import * as path from 'node:path'
import type { Command } from '../measure.ts'
import type { BenchServer } from '../server.ts'

/** What is uploaded, and where to. */
export interface UploadPlace {
  server: BenchServer
  folder: string
  files: number
  /** In the bucket, of this round and this program alone. */
  prefix: string
  /** An empty folder for what the program keeps. */
  scratch: string
}

/** A program that puts the files of a folder into a bucket, each as an object. */
export interface Uploader {
  name: string
  about: string
  program?: string
  command: (place: UploadPlace) => Command
}

const program = path.join(import.meta.dirname, 'watch-program.ts')

export const uploaders: readonly Uploader[] = [
  {
    name: 'watch',
    about: 'the folder watched from the start of the process until all is proven',
    command: ({ server, folder, files, prefix, scratch }) => {
      const url = `s3://${server.bucket}?endpoint=${server.endpoint}`
      return [[[process.execPath, program, folder, url, prefix, scratch, `${files}`]]]
    },
  },
  rclone('rclone', []),
  rclone('rclone-32', ['--transfers', '32', '--checkers', '32']),
  {
    name: 'aws',
    about: 'aws s3 sync',
    program: 'aws',
    command: ({ server, folder, prefix }) => {
      const where = ['--endpoint-url', server.endpoint, '--only-show-errors']
      return [[['aws', 's3', 'sync', ...where, folder, `s3://${server.bucket}/${prefix}`]]]
    },
  },
]

function rclone(name: string, settings: readonly string[]): Uploader {
  return {
    name,
    about: ['rclone copy', ...settings].join(' '),
    program: 'rclone',
    command: ({ server, folder, prefix }) => {
      const to = `:s3,provider=Other,env_auth=true,endpoint='${server.endpoint}':${server.bucket}/${prefix}`
      const usual = ['--config', '/dev/null', '--s3-no-check-bucket']
      return [[['rclone', 'copy', ...usual, ...settings, folder, to]]]
    },
  }
}
