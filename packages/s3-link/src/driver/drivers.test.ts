import { mkdirSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Secret } from '@berth/core'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import type { MountSpec } from './driver.ts'
import { explainLog } from './explain-log.ts'
import { defaultOptions, readOptions } from './link-options.ts'
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

test('plans s3fs in the foreground, with the key in a file', () => {
  const plan = s3fs.plan(spec)
  expect(plan).toMatchInlineSnapshot(`
    {
      "command": [
        "s3fs",
        "art:/pods/one",
        "/run/berth-s3/0123456789ab/mount",
        "-f",
        "-o",
        "passwd_file=/run/berth-s3/0123456789ab/private/passwd-s3fs",
        "-o",
        "url=https://s3api-eu-ro-1.runpod.io",
        "-o",
        "use_path_request_style",
        "-o",
        "endpoint=EU-RO-1",
        "-o",
        "umask=0022",
        "-o",
        "mp_umask=0022",
        "-o",
        "tmpdir=/var/tmp/berth-s3/0123456789ab/open",
        "-o",
        "retries=5",
        "-o",
        "connect_timeout=10",
        "-o",
        "readwrite_timeout=60",
        "-o",
        "multipart_size=16",
        "-o",
        "parallel_count=4",
        "-o",
        "max_stat_cache_size=100000",
        "-o",
        "stat_cache_expire=60",
        "-o",
        "dbglevel=warn",
      ],
      "directories": [
        "/run/berth-s3/0123456789ab/private",
        "/var/tmp/berth-s3/0123456789ab/open",
      ],
      "env": {
        "HOME": "/run/berth-s3/0123456789ab/private",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      },
      "files": [
        {
          "content": "[secret]",
          "path": "/run/berth-s3/0123456789ab/private/passwd-s3fs",
        },
      ],
      "type": "fuse.s3fs",
    }
  `)
  expect(plan.files.map(({ content }) => content.reveal())).toEqual(['user_1:rps_very/secret+\n'])
})

test('plans rclone with all of the remote in a file', () => {
  const plan = rclone.plan(spec)
  expect(plan).toMatchInlineSnapshot(`
    {
      "command": [
        "rclone",
        "mount",
        "berth:art/pods/one",
        "/run/berth-s3/0123456789ab/mount",
        "--config",
        "/run/berth-s3/0123456789ab/private/rclone.conf",
        "--cache-dir",
        "/var/tmp/berth-s3/0123456789ab",
        "--vfs-cache-mode",
        "writes",
        "--vfs-write-back",
        "2000ms",
        "--vfs-cache-max-size",
        "20480Mi",
        "--vfs-cache-max-age",
        "24h",
        "--dir-cache-time",
        "60000ms",
        "--transfers",
        "4",
        "--timeout",
        "60000ms",
        "--contimeout",
        "10000ms",
        "--low-level-retries",
        "5",
        "--umask",
        "0022",
        "--log-level",
        "INFO",
      ],
      "directories": [
        "/run/berth-s3/0123456789ab/private",
        "/var/tmp/berth-s3/0123456789ab",
      ],
      "env": {
        "HOME": "/run/berth-s3/0123456789ab/private",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      },
      "files": [
        {
          "content": "[secret]",
          "path": "/run/berth-s3/0123456789ab/private/rclone.conf",
        },
      ],
      "type": "fuse.rclone",
    }
  `)
  expect(plan.files[0]?.content.reveal()).toMatchInlineSnapshot(`
    "[berth]
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

test('plans a whole bucket of Amazon, shared with other users', () => {
  const amazon = {
    ...spec,
    prefix: '',
    endpoint: undefined,
    region: 'eu-central-1',
    pathStyle: false,
    provider: 'aws',
    options: { ...defaultOptions, uid: 1000, gid: 1000, umask: '002', allowOther: true },
  }
  expect(s3fs.plan(amazon).command).toMatchInlineSnapshot(`
    [
      "s3fs",
      "art",
      "/run/berth-s3/0123456789ab/mount",
      "-f",
      "-o",
      "passwd_file=/run/berth-s3/0123456789ab/private/passwd-s3fs",
      "-o",
      "endpoint=eu-central-1",
      "-o",
      "uid=1000",
      "-o",
      "gid=1000",
      "-o",
      "umask=0002",
      "-o",
      "mp_umask=0002",
      "-o",
      "tmpdir=/var/tmp/berth-s3/0123456789ab/open",
      "-o",
      "retries=5",
      "-o",
      "connect_timeout=10",
      "-o",
      "readwrite_timeout=60",
      "-o",
      "multipart_size=16",
      "-o",
      "parallel_count=4",
      "-o",
      "max_stat_cache_size=100000",
      "-o",
      "stat_cache_expire=60",
      "-o",
      "dbglevel=warn",
      "-o",
      "allow_other",
    ]
  `)
  expect(rclone.plan(amazon).command).toMatchInlineSnapshot(`
    [
      "rclone",
      "mount",
      "berth:art",
      "/run/berth-s3/0123456789ab/mount",
      "--config",
      "/run/berth-s3/0123456789ab/private/rclone.conf",
      "--cache-dir",
      "/var/tmp/berth-s3/0123456789ab",
      "--vfs-cache-mode",
      "writes",
      "--vfs-write-back",
      "2000ms",
      "--vfs-cache-max-size",
      "20480Mi",
      "--vfs-cache-max-age",
      "24h",
      "--dir-cache-time",
      "60000ms",
      "--transfers",
      "4",
      "--timeout",
      "60000ms",
      "--contimeout",
      "10000ms",
      "--low-level-retries",
      "5",
      "--umask",
      "0002",
      "--uid",
      "1000",
      "--gid",
      "1000",
      "--log-level",
      "INFO",
      "--allow-other",
    ]
  `)
})

test('spares services that can’t copy parts the copying of parts', () => {
  const options = s3fs.plan({ ...spec, provider: 'r2' }).command
  expect(options).toContain('nomixupload')
})

test.each([s3fs, rclone])('shows no secret in the plan of $name but in its files', ({ plan }) => {
  const shown = JSON.stringify(plan(spec))
  expect(shown).not.toContain('rps_very')
  expect(shown).toContain('[secret]')
})

test.each([
  ['retries', 5, { retries: 5 }],
  ['parallel_count', 4, { parallel: 4 }],
  ['max_stat_cache_size', 100_000, { statCacheEntries: 100_000 }],
  ['multipart_size', 10_485_760, { partBytes: 10_485_760 }],
  ['multipart_size', '10', { partBytes: 10_485_760 }],
  ['connect_timeout', 30, { connectTimeoutMs: 30_000 }],
  ['part-size', '64MiB', { partBytes: 67_108_864 }],
  ['read-timeout', '2m', { readTimeoutMs: 120_000 }],
  ['--vfs-cache-max-size', '1G', { cacheBytes: 1_073_741_824 }],
  ['allow_other', '', { allowOther: true }],
  ['umask', '0077', { umask: '077' }],
])('takes the option %s=%s', (name, value, expected) => {
  expect(readOptions({ [name]: value }).options).toEqual({ ...defaultOptions, ...expected })
})

test('says what an old name was taken for', () => {
  expect(readOptions({ multipart_size: 10_485_760, retries: 5 }).notes).toEqual([
    'took `multipart_size=10485760` for `part-size: 10MiB`',
  ])
})

test.each([
  [{ cache: '/tmp/s3fs_cache' }, '`cache`: s3fs has no option `cache`'],
  [{ region: 'EU-RO-1' }, '`region`: the region belongs to the store'],
  [{ nonempty: true }, '`nonempty`: it would hide the files'],
  [{ 'allow-other': true, umask: '000' }, '`umask`: with `allow-other` the umask `000`'],
  [{ passwd_file: '/workspace/.s3fs_passwd' }, '`passwd_file`: keys come from the environment'],
  [{ 'part-size': '10' }, '`part-size`: `10` is no size with a unit'],
  [{ 'part-size': '1MiB' }, '`part-size`: `1MiB` is not from 5 MiB to 5120 MiB'],
  [{ retries: 'many' }, '`retries`: `many` is no number from 0 to 100'],
  [{ paralel: 4 }, '`paralel`: it is unknown'],
  [{ parallel: 4, parallel_count: 5 }, '`parallel_count`: `parallel` says the same'],
  [{ retries: '5,nonempty' }, '`retries`: `5,nonempty` is no number'],
])('refuses the options %j', (options, why) => {
  expect(() => readOptions(options)).toThrow(`could not use the option ${why}`)
})

test.each([
  ['s3fs: could not use the bucket: bucket not found', 's3-link/no-bucket'],
  ['ERROR: InvalidAccessKeyId: The key does not exist', 's3-link/not-allowed'],
  ['<Code>SignatureDoesNotMatch</Code>', 's3-link/wrong-secret'],
  ['fuse: device not found, try modprobe fuse first', 's3-link/fuse-no-device'],
  ['fuse: failed to open /dev/fuse: Operation not permitted', 's3-link/fuse-no-device'],
  ['fusermount: mount failed: Operation not permitted', 's3-link/fuse-no-mount'],
  ['dial tcp: lookup nowhere.example: no such host', 's3-link/no-host'],
  ['fuse: unknown option `xyz`', 's3-link/old-driver'],
])('explains the line %s', (line, code) => {
  expect(explainLog(['something else', line])?.code).toBe(code)
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
  expect(await s3fs.pending({ pid: process.pid, spec: { ...spec, cache } })).toMatchObject({
    files: 1,
    bytes: 14,
  })
})
