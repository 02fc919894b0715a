import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { defaultOptions, readOptions } from './link-options.ts'

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
  ['umask', '000', { umask: '000' }],
  ['transfers', 8, { parallel: 8 }],
  ['--dir-cache-time', '30s', { statCacheMs: 30_000 }],
  ['--timeout', 30, { readTimeoutMs: 30_000 }],
  ['readwrite_timeout', '120', { readTimeoutMs: 120_000 }],
  ['stat_cache_expire', 900, { statCacheMs: 900_000 }],
  ['allow-other', '', { allowOther: true }],
  ['uid', 1000, { uid: 1000 }],
  ['write-back', '500ms', { writeBackMs: 500 }],
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
  [{ url: 'https://s3.example.com' }, '`url`: the endpoint belongs to the store'],
  [{ default_acl: 'public-read' }, '`default_acl`: it could make files public'],
  [{ no_check_certificate: true }, '`no_check_certificate`: anyone on the way could read the keys'],
  [{ '--allow-non-empty': true }, '`--allow-non-empty`: it would hide the files'],
  [{ '--vfs-cache-mode': 'full' }, '`--vfs-cache-mode`: it is always `writes`'],
  [{ use_cache: '/tmp' }, '`use_cache`: a read cache of s3fs has lost data'],
  [{ tmpdir: '/workspace/tmp' }, '`tmpdir`: what is open lies on the pod’s own disk'],
  // Unquoted in YAML, 000 is the number 0, and 022 the number 22.
  [{ umask: 0 }, '`umask`: `0` is no umask'],
  [{ umask: 22 }, '`umask`: `22` is no umask'],
  [{ 'part-size': '10' }, '`part-size`: `10` is no size with a unit'],
  [{ 'part-size': '1MiB' }, '`part-size`: `1MiB` is not from 5 MiB to 5120 MiB'],
  [{ retries: 'many' }, '`retries`: `many` is no number from 1 to 100'],
  // s3fs refuses it.
  [{ retries: 0 }, '`retries`: `0` is no number from 1 to 100'],
  [{ paralel: 4 }, '`paralel`: it is unknown'],
  [{ parallel: 4, parallel_count: 5 }, '`parallel_count`: `parallel` says `4`'],
  [{ retries: '5,nonempty' }, '`retries`: `5,nonempty` is no number'],
])('refuses the options %j', (options, why) => {
  expect(() => readOptions(options)).toThrow(`could not use the option ${why}`)
})

test('takes the options of the old guide but those that can’t be meant', () => {
  const guide = {
    umask: '000',
    retries: 5,
    multipart_size: 10_485_760,
    parallel_count: 4,
    max_stat_cache_size: 100_000,
  }
  const { options, notes } = readOptions(guide)
  expect(options).toEqual({ ...defaultOptions, umask: '000', partBytes: 10_485_760 })
  expect(notes).toEqual([
    'took `multipart_size=10485760` for `part-size: 10MiB`',
    'took `parallel_count=4` for `parallel: 4`',
    'took `max_stat_cache_size=100000` for `stat-cache-entries: 100000`',
  ])
})

test('takes two names for one thing that say the same', () => {
  const both = { transfers: 6, 's3-upload-concurrency': 6 }
  expect(readOptions(both).options).toEqual({ ...defaultOptions, parallel: 6 })
})

/** The rows of the README's table of old options: what a guide has, and what becomes of it. */
const rows = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  .replace(/^[^]*\| in the guide \| here \|\n/, '')
  .replace(/\n\n[^]*$/, '')
  .split('\n')
  .slice(1)
  .map((row) => row.split(' | ') as [string, string])

test('the README says of every option of old guides what becomes of it', () => {
  const told = rows.flatMap(([guide, here]) =>
    [...guide.matchAll(/`([^`]+)`/g)].map(([, option = '']) => [
      option,
      here.startsWith('refused'),
    ]),
  )
  expect(told.length).toBeGreaterThan(25)
  const found = told.map(([option]) => [option, isRefused(String(option))])
  expect(found).toEqual(told)
})

/** With its own value, or with none that is of any use. */
function isRefused(option: string): boolean {
  const [, name = '', value = ''] = /^(-*[\w-]+)[= ]?(.*)$/.exec(option) ?? []
  const values = value === '' ? ['40', '10s', '10MiB', 'true'] : [value]
  return values.every((text) => {
    try {
      readOptions({ [name]: text })
      return false
    } catch {
      return true
    }
  })
}
