import { join } from 'node:path'
import { Secret } from '@berth/core'
import { childEnvironment } from './child-environment.ts'
import { dirtyFilesIn, discardFromCache, heldByRclone } from './dirty-files.ts'
import type { MountDriver, MountSpec } from './driver.ts'
import { explainLog } from './explain-log.ts'

/** What rclone calls the services whose ways it knows; any other is `Other`. */
const providers: Record<string, string> = {
  aws: 'AWS',
  r2: 'Cloudflare',
  wasabi: 'Wasabi',
  digitalocean: 'DigitalOcean',
  scaleway: 'Scaleway',
}

/** One name for ever: rclone keeps what it has not sent under the remote's name, and sends it when that comes again. */
const remote = 'berth'

const mebi = 1024 ** 2

/** rclone: files are written to a cache on the disk at the disk's speed, and sent some seconds after they are closed. */
export const rclone: MountDriver = {
  name: 'rclone',
  program: 'rclone',
  isAudited: false,
  refreshSignal: 'SIGHUP',
  plan: (spec) => {
    const { options, runtime, cache } = spec
    const config = join(runtime, 'rclone.conf')
    return {
      command: [
        spec.program ?? 'rclone',
        'mount',
        `${remote}:${[spec.bucket, spec.prefix].filter(Boolean).join('/')}`,
        spec.mountPoint,
        ...flagsOf(spec, config).flatMap(([name, value]) => [`--${name}`, String(value)]),
        ...(options.allowOther ? ['--allow-other'] : []),
      ],
      env: childEnvironment(runtime),
      files: [{ path: config, content: new Secret(configOf(spec)) }],
      directories: [runtime, cache],
      type: 'fuse.rclone',
    }
  },
  sendDelayMs: ({ writeBackMs }) => writeBackMs,
  explain: explainLog,
  pending: ({ spec }) => dirtyFilesIn(spec.cache),
  held: ({ spec }) => heldByRclone(spec.cache, spec),
  discard: discardFromCache,
}

function flagsOf({ cache, options }: MountSpec, config: string): [string, string | number][] {
  return [
    ['config', config],
    ['cache-dir', cache],
    ['vfs-cache-mode', 'writes'],
    ['vfs-write-back', `${options.writeBackMs}ms`],
    ['vfs-cache-max-size', `${Math.round(options.cacheBytes / mebi)}Mi`],
    ['vfs-cache-max-age', '24h'],
    ['dir-cache-time', `${options.statCacheMs}ms`],
    ['transfers', options.parallel],
    ['timeout', `${options.readTimeoutMs}ms`],
    ['contimeout', `${options.connectTimeoutMs}ms`],
    ['low-level-retries', options.retries],
    ['umask', `0${options.umask}`],
    ...(options.uid === undefined ? [] : [['uid', options.uid] as [string, number]]),
    ...(options.gid === undefined ? [] : [['gid', options.gid] as [string, number]]),
    ['log-level', 'INFO'],
  ]
}

/**
 * Everything about the remote stands in the file: a flag such as `--s3-chunk-size` changes the name under which the cache lies, and what
 * is in there would never be sent.
 */
function configOf(spec: MountSpec): string {
  const { credentials, options } = spec
  const lines = {
    type: 's3',
    provider: providers[spec.provider] ?? 'Other',
    env_auth: 'false',
    access_key_id: credentials.accessKeyId,
    secret_access_key: credentials.secretAccessKey.reveal(),
    session_token: credentials.sessionToken?.reveal(),
    endpoint: spec.endpoint,
    region: spec.region,
    force_path_style: String(spec.pathStyle),
    // Without it rclone tries to make the bucket, which a key for one bucket may not.
    no_check_bucket: 'true',
    chunk_size: `${Math.round(options.partBytes / mebi)}Mi`,
    upload_concurrency: String(options.parallel),
  }
  const text = Object.entries(lines)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} = ${value}\n`)
  return `[${remote}]\n${text.join('')}`
}
