import { mkdirSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Secret } from '@berth/core'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import type { MountDriver, MountSpec } from './driver.ts'
import { defaultOptions } from './link-options.ts'
import { rclone } from './rclone.ts'
import { s3fs } from './s3fs.ts'

const spec: MountSpec = {
  key: '0123456789ab',
  bucket: 'art',
  prefix: 'pods/one',
  endpoint: 'https://s3api-eu-ro-1.runpod.io',
  region: 'EU-RO-1',
  pathStyle: true,
  provider: 'runpod',
  credentials: { accessKeyId: 'user_1', secretAccessKey: new Secret('rps_very/secret+') },
  mountPoint: '/run/berth-s3/0123456789ab/mount',
  runtime: '/run/berth-s3/0123456789ab/private',
  cache: '/var/tmp/berth-s3/0123456789ab',
  options: defaultOptions,
}

const amazon: MountSpec = {
  ...spec,
  prefix: '',
  endpoint: undefined,
  region: 'eu-central-1',
  pathStyle: false,
  provider: 'aws',
  options: { ...defaultOptions, uid: 1000, gid: 1000, umask: '002', allowOther: true },
}

const temporary: MountSpec = {
  ...spec,
  credentials: { ...spec.credentials, sessionToken: new Secret('FwoGZXIv+very/long==') },
}

const tuned: MountSpec = {
  ...spec,
  program: '/opt/tools/bin/driver',
  options: {
    ...defaultOptions,
    retries: 1,
    connectTimeoutMs: 1_500,
    readTimeoutMs: 120_000,
    partBytes: 67_108_864,
    parallel: 12,
    statCacheEntries: 1_000,
    statCacheMs: 200,
    writeBackMs: 0,
    cacheBytes: 1_073_741_824,
  },
}

test('plans s3fs in the foreground, with the key in a file', () => {
  expect(commandOf(s3fs, spec)).toMatchInlineSnapshot(`
    "s3fs art:/pods/one /run/berth-s3/0123456789ab/mount -f
    -o passwd_file=/run/berth-s3/0123456789ab/private/passwd-s3fs
    -o url=https://s3api-eu-ro-1.runpod.io
    -o use_path_request_style
    -o endpoint=EU-RO-1
    -o umask=0022
    -o mp_umask=0022
    -o tmpdir=/var/tmp/berth-s3/0123456789ab/open
    -o retries=5
    -o connect_timeout=10
    -o readwrite_timeout=60
    -o multipart_size=16
    -o parallel_count=4
    -o max_stat_cache_size=100000
    -o stat_cache_expire=60
    -o dbglevel=warn"
  `)
  expect(filesOf(s3fs, spec)).toMatchInlineSnapshot(`
    "/run/berth-s3/0123456789ab/private/passwd-s3fs:
    user_1:rps_very/secret+
    "
  `)
})

test('plans rclone with all of the remote in a file', () => {
  expect(commandOf(rclone, spec)).toMatchInlineSnapshot(`
    "rclone mount berth:art/pods/one /run/berth-s3/0123456789ab/mount
    --config /run/berth-s3/0123456789ab/private/rclone.conf
    --cache-dir /var/tmp/berth-s3/0123456789ab
    --vfs-cache-mode writes
    --vfs-write-back 2000ms
    --vfs-cache-max-size 20480Mi
    --vfs-cache-max-age 24h
    --dir-cache-time 60000ms
    --transfers 4
    --timeout 60000ms
    --contimeout 10000ms
    --low-level-retries 5
    --umask 0022
    --log-level INFO"
  `)
  expect(filesOf(rclone, spec)).toMatchInlineSnapshot(`
    "/run/berth-s3/0123456789ab/private/rclone.conf:
    [berth]
    type = s3
    provider = Other
    env_auth = false
    access_key_id = user_1
    secret_access_key = rps_very/secret+
    endpoint = https://s3api-eu-ro-1.runpod.io
    region = EU-RO-1
    force_path_style = true
    no_check_bucket = true
    chunk_size = 16Mi
    upload_concurrency = 4
    "
  `)
})

test.each([
  { driver: s3fs, type: 'fuse.s3fs', cache: '/var/tmp/berth-s3/0123456789ab/open' },
  { driver: rclone, type: 'fuse.rclone', cache: '/var/tmp/berth-s3/0123456789ab' },
])('plans what $driver.name needs around it', ({ driver, type, cache }) => {
  const { env, directories, type: planned } = driver.plan(spec)
  const runtime = '/run/berth-s3/0123456789ab/private'
  expect(planned).toBe(type)
  expect(directories).toEqual([runtime, cache])
  expect(env).toEqual({
    HOME: runtime,
    LC_ALL: 'C.UTF-8',
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  })
})

test.each([
  { driver: s3fs, delayMs: 0, isAudited: true, refreshSignal: undefined },
  { driver: rclone, delayMs: 2_000, isAudited: false, refreshSignal: 'SIGHUP' },
])(
  '$driver.name says when it sends what was closed, and how it is made to look again',
  ({ driver, delayMs, isAudited, refreshSignal }) => {
    expect(driver.sendDelayMs(spec.options)).toBe(delayMs)
    expect(driver.isAudited).toBe(isAudited)
    expect(driver.refreshSignal).toBe(refreshSignal)
  },
)

test('plans a whole bucket of Amazon, shared with other users', () => {
  expect(differences(s3fs, amazon)).toMatchInlineSnapshot(`
    "- s3fs art:/pods/one /run/berth-s3/0123456789ab/mount -f
    - -o url=https://s3api-eu-ro-1.runpod.io
    - -o use_path_request_style
    - -o endpoint=EU-RO-1
    - -o umask=0022
    - -o mp_umask=0022
    + s3fs art /run/berth-s3/0123456789ab/mount -f
    + -o endpoint=eu-central-1
    + -o uid=1000
    + -o gid=1000
    + -o umask=0002
    + -o mp_umask=0002
    + -o allow_other"
  `)
  expect(differences(rclone, amazon)).toMatchInlineSnapshot(`
    "- rclone mount berth:art/pods/one /run/berth-s3/0123456789ab/mount
    - --umask 0022
    + rclone mount berth:art /run/berth-s3/0123456789ab/mount
    + --umask 0002
    + --uid 1000
    + --gid 1000
    + --allow-other"
  `)
})

test('plans keys with a session token', () => {
  expect(commandOf(s3fs, temporary).split('\n')[1]).toBe('-o use_session_token')
  const { files, secrets = {}, env } = s3fs.plan(temporary)
  expect(files).toEqual([])
  expect(env).toEqual(s3fs.plan(spec).env)
  expect(Object.entries(secrets).map(([name, value]) => `${name}=${value.reveal()}`)).toEqual([
    'AWS_ACCESS_KEY_ID=user_1',
    'AWS_SECRET_ACCESS_KEY=rps_very/secret+',
    'AWS_SESSION_TOKEN=FwoGZXIv+very/long==',
  ])
  expect(commandOf(rclone, temporary)).toBe(commandOf(rclone, spec))
  expect(filesOf(rclone, temporary)).toContain('session_token = FwoGZXIv+very/long==\n')
})

test('plans every option that can be set, in the units of each driver', () => {
  expect(differences(s3fs, tuned)).toMatchInlineSnapshot(`
    "- s3fs art:/pods/one /run/berth-s3/0123456789ab/mount -f
    - -o retries=5
    - -o connect_timeout=10
    - -o readwrite_timeout=60
    - -o multipart_size=16
    - -o parallel_count=4
    - -o max_stat_cache_size=100000
    - -o stat_cache_expire=60
    + /opt/tools/bin/driver art:/pods/one /run/berth-s3/0123456789ab/mount -f
    + -o retries=1
    + -o connect_timeout=2
    + -o readwrite_timeout=120
    + -o multipart_size=64
    + -o parallel_count=12
    + -o max_stat_cache_size=1000
    + -o stat_cache_expire=1"
  `)
  expect(differences(rclone, tuned)).toMatchInlineSnapshot(`
    "- rclone mount berth:art/pods/one /run/berth-s3/0123456789ab/mount
    - --vfs-write-back 2000ms
    - --vfs-cache-max-size 20480Mi
    - --dir-cache-time 60000ms
    - --transfers 4
    - --timeout 60000ms
    - --contimeout 10000ms
    - --low-level-retries 5
    + /opt/tools/bin/driver mount berth:art/pods/one /run/berth-s3/0123456789ab/mount
    + --vfs-write-back 0ms
    + --vfs-cache-max-size 1024Mi
    + --dir-cache-time 200ms
    + --transfers 12
    + --timeout 120000ms
    + --contimeout 1500ms
    + --low-level-retries 1"
  `)
  expect(filesOf(rclone, tuned)).toContain('chunk_size = 64Mi\nupload_concurrency = 12\n')
})

test('spares services that can’t copy parts the copying of parts', () => {
  const options = s3fs.plan({ ...spec, provider: 'r2' }).command
  expect(options).toContain('nomixupload')
})

test.each([s3fs, rclone])('shows no secret in the plan of $name but in its files', ({ plan }) => {
  const shown = JSON.stringify(plan(temporary))
  expect(shown).not.toContain('rps_very')
  expect(shown).not.toContain('FwoGZXIv')
  expect(shown).toContain('[secret]')
})

test('counts what rclone has not sent by the notes in its cache', async () => {
  const cache = await temporaryDirectory()
  const notes = join(cache, 'vfsMeta', 'berth', 'art')
  mkdirSync(notes, { recursive: true })
  writeFileSync(join(notes, 'a.png'), JSON.stringify({ Size: 7, Dirty: true }))
  writeFileSync(join(notes, 'b.png'), JSON.stringify({ Size: 9, Dirty: false }))
  writeFileSync(join(notes, 'c.png'), '{"Size":')
  expect(await rclone.pending({ pid: 0, spec: { ...spec, cache } })).toMatchObject({
    files: 1,
    bytes: 7,
    confidence: 'exact',
    names: ['berth/art/a.png'],
  })
})

test('counts what s3fs has not sent by the files without a name that it has open', async () => {
  const cache = await temporaryDirectory()
  mkdirSync(join(cache, 'open'))
  const path = join(cache, 'open', 's3fstmp.abc')
  const file = openSync(path, 'w')
  onTestFinished(() => closeSync(file))
  writeFileSync(file, 'half a picture')
  rmSync(path)
  // As s3fs has one while it sends it.
  const second = openSync(`/proc/self/fd/${file}`, 'r')
  onTestFinished(() => closeSync(second))
  expect(await s3fs.pending({ pid: process.pid, spec: { ...spec, cache } })).toMatchObject({
    files: 1,
    bytes: 14,
  })
})

/** An option a line, as one would write it in a shell. */
function commandOf({ plan }: MountDriver, of: MountSpec): string {
  return plan(of)
    .command.join(' ')
    .replaceAll(/ (?=-o |--)/g, '\n')
}

/** What is otherwise than in the plan above, a line each. */
function differences(driver: MountDriver, of: MountSpec): string {
  const [before, after] = [spec, of].map((one) => commandOf(driver, one).split('\n'))
  return [
    ...(before ?? []).filter((line) => after?.includes(line) !== true).map((line) => `- ${line}`),
    ...(after ?? []).filter((line) => before?.includes(line) !== true).map((line) => `+ ${line}`),
  ].join('\n')
}

function filesOf({ plan }: MountDriver, of: MountSpec): string {
  return plan(of)
    .files.map(({ path, content }) => `${path}:\n${content.reveal()}`)
    .join('')
}
