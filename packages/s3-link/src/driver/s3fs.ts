import { join } from 'node:path'
import { Secret } from '@berth/core'
import { childEnvironment } from './child-environment.ts'
import type { MountDriver, MountSpec } from './driver.ts'
import { explainLog } from './explain-log.ts'
import { openFilesOf } from './open-files.ts'

const mebi = 1024 ** 2

/** Services that can't copy a part within an upload, or want parts of equal size. */
const noMixedUpload = new Set(['r2', 'gcs'])

/** s3fs: a file is in S3 when it is closed, and closing says whether it is. */
export const s3fs: MountDriver = {
  name: 's3fs',
  program: 's3fs',
  isAudited: true,
  refreshSignal: undefined,
  plan: (spec) => {
    const { mountPoint, runtime, cache } = spec
    const { options, ...keys } = keysOf(spec)
    return {
      command: [
        spec.program ?? 's3fs',
        spec.prefix === '' ? spec.bucket : `${spec.bucket}:/${spec.prefix}`,
        mountPoint,
        '-f',
        ...[...options, ...optionsOf(spec)].flatMap((option) => ['-o', option]),
      ],
      env: childEnvironment(runtime),
      ...keys,
      directories: [runtime, temporaryFolder(cache)],
      type: 'fuse.s3fs',
    }
  },
  sendDelayMs: () => 0,
  explain: explainLog,
  pending: async ({ pid, spec }) => {
    // Closed means sent, so that only files that are open can be lost; the daemon keeps them in files without a name.
    const open = await openFilesOf(pid, temporaryFolder(spec.cache))
    return {
      files: open.length,
      bytes: open.reduce((sum, { bytes }) => sum + bytes, 0),
      oldestAgeMs: 0,
      confidence: 'estimate',
      names: [],
    }
  },
  held: async ({ pid, spec }) => {
    const open = await openFilesOf(pid, temporaryFolder(spec.cache))
    // A part that was sent already may have been given up on the disk.
    return open.map(({ descriptor: source, bytes }) => {
      return { source, name: undefined, bytes, isWhole: false }
    })
  },
  // Its files have no names, and are gone with it.
  discard: async () => undefined,
}

/** A password file has no place for a session token: s3fs takes one with the whole key from its environment alone. */
function keysOf({ credentials, runtime }: MountSpec) {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  if (sessionToken === undefined) {
    const path = join(runtime, 'passwd-s3fs')
    const content = new Secret(`${accessKeyId}:${secretAccessKey.reveal()}\n`)
    return { options: [`passwd_file=${path}`], files: [{ path, content }] }
  }
  return {
    options: ['use_session_token'],
    files: [],
    secrets: {
      AWS_ACCESS_KEY_ID: new Secret(accessKeyId),
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    },
  }
}

function optionsOf(spec: MountSpec): string[] {
  const { options } = spec
  return [
    ...(spec.endpoint === undefined ? [] : [`url=${spec.endpoint}`]),
    ...(spec.pathStyle ? ['use_path_request_style'] : []),
    // Not `region`: only versions from 1.96 on know that, and all take the region by this name.
    `endpoint=${spec.region}`,
    ...(options.uid === undefined ? [] : [`uid=${options.uid}`]),
    ...(options.gid === undefined ? [] : [`gid=${options.gid}`]),
    `umask=0${options.umask}`,
    `mp_umask=0${options.umask}`,
    `tmpdir=${temporaryFolder(spec.cache)}`,
    `retries=${options.retries}`,
    `connect_timeout=${seconds(options.connectTimeoutMs)}`,
    `readwrite_timeout=${seconds(options.readTimeoutMs)}`,
    // It counts in MiB.
    `multipart_size=${Math.round(options.partBytes / mebi)}`,
    `parallel_count=${options.parallel}`,
    `max_stat_cache_size=${options.statCacheEntries}`,
    `stat_cache_expire=${seconds(options.statCacheMs)}`,
    'dbglevel=warn',
    ...(noMixedUpload.has(spec.provider) ? ['nomixupload'] : []),
    ...(options.allowOther ? ['allow_other'] : []),
  ]
}

function temporaryFolder(cache: string): string {
  return join(cache, 'open')
}

function seconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1000))
}
