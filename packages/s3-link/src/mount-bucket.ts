import { readFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import type { Environment } from '@berth/object-store'
import { storeOfName } from './bucket-name.ts'
import type { DriverName, MountDriver, MountSpec } from './driver/driver.ts'
import { type OptionText, readOptions } from './driver/link-options.ts'
import { ensureMount } from './mount/ensure-mount.ts'
import { requirePlainPath } from './mount/layout.ts'
import { inspectFolder, putFolderLink, repairLink } from './mount/link-folder.ts'
import { findPlaces } from './mount/places.ts'
import { requireBucketAnswers } from './preflight/check-bucket.ts'
import { type ChoiceQuestion, chooseSpec } from './preflight/choose-spec.ts'
import { isRemoteOf, readRemote } from './rclone-remote.ts'

export interface MountBucketRequest {
  /** Its name, which is at the endpoint of BERTH_STORE where that has the same, `s3://name/prefix`, or the URL of a store. */
  bucket: string
  /** Links to it; `<root>/<bucket>` unless given. */
  links?: readonly string[]
  root?: string | undefined
  driver?: DriverName | 'auto'
  options?: Readonly<Record<string, OptionText>>
  /** A remote of rclone.conf that has the endpoint and the keys. */
  remote?: string | undefined
  env: Environment
  signal: AbortSignal
  onNote?: (text: string) => void
}

export interface MountedBucket {
  result: 'done' | 'unchanged'
  bucket: string
  driver: DriverName
  mountPoint: string
  links: string[]
}

/** Where links to buckets go: a home may be shared by machines, and mounts are not. */
export function defaultRoot(env: Environment): string {
  const root = join(env['HOME'] || homedir(), 's3_buckets')
  const job = env['SLURM_JOB_ID']
  return job ? join(root, `${hostname()}-${job}`) : root
}

/**
 * Mounts a bucket once, whoever asks and however often, and puts links to it; resolves when a file has gone through the mount in both
 * directions. What stays with the mount is a process of its own, which outlives the caller. Links are new or were ours; whatever else is
 * in their place stays, and is an error: `s3-link/foreign-link`, `s3-link/filled`, `s3-link/not-a-directory`, `s3-link/nested`.
 */
export async function mountBucket(request: MountBucketRequest): Promise<MountedBucket> {
  const { signal, onNote = () => undefined } = request
  const { store, env, notes } = await readTarget(request)
  const { options, notes: optionNotes } = readOptions(request.options ?? {})
  for (const note of [...notes, ...optionNotes]) onNote(note)
  const places = findPlaces(env)
  const { spec, driver } = await requireMounting(request.driver ?? 'auto', {
    store,
    env,
    options,
    places,
  })
  const paths = request.links?.length
    ? request.links.map((path) => resolve(path))
    : [join(resolve(request.root ?? defaultRoot(env)), linkNameOf(request.bucket))]
  for (const path of paths) {
    requirePlainPath(path)
    if (await repairLink(path)) onNote(`\`${path}\` led nowhere`)
    if ((await inspectFolder(path, places)) === 'filled') throw filled(path)
  }
  await requireBucketAnswers(spec, signal)
  const results: string[] = [await ensureMount({ driver, spec, places, signal })]
  for (const path of paths) {
    results.push(await putFolderLink({ layout: { path, subfolder: '' }, user: '', spec, places }))
  }
  const isSame = results.every((result) => result === 'running' || result === 'unchanged')
  return {
    result: isSame ? 'unchanged' : 'done',
    bucket: spec.bucket,
    driver,
    mountPoint: spec.mountPoint,
    links: paths,
  }
}

/** What the link to a bucket is called in its root: `art`, and `art-pods-one` for a prefix. */
export function linkNameOf(bucket: string): string {
  const [path = ''] = bucket.replace(/^s3:\/\//, '').split('?')
  return path.split('/').filter(Boolean).join('-')
}

interface Target {
  store: string
  env: Environment
  notes: string[]
}

async function readTarget({ bucket, remote, env }: MountBucketRequest): Promise<Target> {
  if (remote === undefined) return { store: storeOfName(bucket, env), env, notes: [] }
  const store = storeOfName(bucket, {})
  const file = env['RCLONE_CONFIG'] || join(env['HOME'] || homedir(), '.config/rclone/rclone.conf')
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (isRemoteOf(env, remote)) return ''
    throw new BerthError(
      's3-link/no-remote',
      `could not use the remote \`${remote}\`: \`${file}\` can’t be read`,
      {
        hint: 'make it with `rclone config`, or set RCLONE_CONFIG',
        cause: error,
      },
    )
  })
  const { query, env: keys, notes } = readRemote(text, remote, env)
  const own = new URLSearchParams(store.split('?')[1] ?? '')
  for (const [name, value] of Object.entries(query)) if (!own.has(name)) own.set(name, value)
  const [base = store] = store.split('?')
  // The keys of a remote are one whole: a session token of the environment belongs to other keys.
  const rest = Object.keys(keys).length > 0 ? withoutKeys(env) : env
  return {
    store: `${base}?${decodeURIComponent(own.toString())}`,
    env: { ...rest, ...keys },
    notes,
  }
}

function withoutKeys(env: Environment): Environment {
  const isKey = /^(?:AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE)|RUNPOD_S3_.*)$/
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isKey.test(name)))
}

/** Throws why nothing can be mounted here: a bucket by hand has no folder that could be watched instead. */
async function requireMounting(
  wanted: DriverName | 'auto',
  question: ChoiceQuestion['question'],
): Promise<{ spec: MountSpec; driver: MountDriver['name'] }> {
  const { choice, spec } = await chooseSpec({ wanted, question, tries: true })
  if (choice.driver !== 'watch') return { spec, driver: choice.driver }
  throw (
    choice.why ??
    new BerthError('s3-link/no-driver', 'could not mount a bucket with the driver `watch`', {
      hint: 'use `s3fs` or `rclone`; a folder is watched with `berth link`',
    })
  )
}

function filled(path: string): BerthError {
  return new BerthError('s3-link/filled', `could not link \`${path}\`: there are files in it`, {
    hint: 'choose another place with `--link` or `--root`',
  })
}
