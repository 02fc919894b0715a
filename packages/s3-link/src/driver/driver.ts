import type { Secret } from '@berth/core'
import type { HeldFile } from './held-file.ts'
import type { LinkOptions } from './link-options.ts'

export type DriverName = 's3fs' | 'rclone' | 'watch'

/** What is to be mounted, with everything that a driver needs; of one key there is one daemon, however many links lead to it. */
export interface MountSpec {
  /** Names the mount: equal bucket, prefix, endpoint, access key, driver and options have the same one. */
  key: string
  bucket: string
  /** Without slashes at its ends; empty for the whole bucket. */
  prefix: string
  /** With its scheme; absent for Amazon. */
  endpoint: string | undefined
  region: string
  pathStyle: boolean
  /** The id of the provider's profile. */
  provider: string
  credentials: MountCredentials
  /** Where the bucket appears. */
  mountPoint: string
  /** Private to this user and on a tmpfs where there is one: credentials lie here. */
  runtime: string
  /** On the pod's own disk, and kept: what was not sent yet lies here. */
  cache: string
  options: LinkOptions
  /** Where the driver's program is; looked for by its name unless given. */
  program?: string
}

export interface MountCredentials {
  accessKeyId: string
  secretAccessKey: Secret
  sessionToken?: Secret
}

/** What a driver would run, and the files that it needs before; nothing of it is secret but the content of the files and `secrets`. */
export interface MountPlan {
  /** A daemon that stays in the foreground. */
  command: [string, ...string[]]
  /** Its whole environment, but for `secrets`. */
  env: Record<string, string>
  /** Variables of the daemon alone, for what it takes in no file; the same user and root can read them. */
  secrets?: Record<string, Secret>
  files: PlannedFile[]
  /** Made before it starts, readable by this user alone. */
  directories: string[]
  /** As the mount table shows it: `fuse.s3fs`. */
  type: string
}

export interface PlannedFile {
  path: string
  content: Secret
}

/** What lies on this machine and not in S3 yet. */
export interface Pending {
  files: number
  bytes: number
  /** Since when the oldest of it waits. */
  oldestAgeMs: number
  /** `estimate`: the driver does not tell exactly, as with files that are open. */
  confidence: 'exact' | 'estimate' | 'unknown'
  /** Some of them, the oldest first. */
  names: string[]
}

/**
 * A program that mounts a bucket. What it runs is planned without a side effect; starting, watching over and ending the daemon is the
 * same for all of them (`mount/`).
 */
export interface MountDriver {
  readonly name: Exclude<DriverName, 'watch'>
  /** What `--version` is asked of. */
  readonly program: string
  /** Makes the daemon forget what it knows of the bucket's names; undefined for one that looks at each new name. */
  readonly refreshSignal: NodeJS.Signals | undefined
  /** The daemon keeps nothing that it could not send: what was closed is looked up in the bucket. */
  readonly isAudited: boolean
  /** Pure. */
  plan: (spec: MountSpec) => MountPlan
  /** How long a file that was closed waits before it is sent; 0 where closing sends it. */
  sendDelayMs: (options: LinkOptions) => number
  /** What the last lines of its log mean, or undefined where nothing is known of them. */
  explain: (log: readonly string[]) => MountFault | undefined
  /** What closed and open files are not in S3 yet. Never touches the mount itself, which may hang. */
  pending: (daemon: RunningDaemon) => Promise<Pending>
  /** The same as files that can be copied, also from a daemon that hangs. */
  held: (daemon: HoldingDaemon) => Promise<HeldFile[]>
  /** Lets go of what is proven to be in S3, when no daemon runs: it is not to be sent again. */
  discard: (held: readonly HeldFile[]) => Promise<void>
}

export interface RunningDaemon {
  pid: number
  spec: Pick<MountSpec, 'cache'>
}

export interface HoldingDaemon {
  pid: number
  spec: Pick<MountSpec, 'cache' | 'bucket' | 'prefix'>
}

/** Why a daemon did not start, or ended. */
export interface MountFault {
  /** `s3-link/…`. */
  code: string
  why: string
  hint: string
}
