import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMountpoint, mountOf, parseMounts, readMounts } from './mounts.ts'
import { missingMounts, runWithMounts } from './testing/program.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

const text = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda ro,discard
30 27 0:25 /pods/a\\040b /data rw - fuse.mfs mfs#9421 rw
31 30 0:26 / /data/inner rw - tmpfs none rw
32 27 0:27 / /hidden/below rw - tmpfs none rw
33 27 0:28 / /hidden rw - tmpfs none rw
34 33 0:29 / /hidden rw - overlay overlay rw
`

test('reads every field of mountinfo, with optional fields and octal escapes', () => {
  const [proc, root, data] = parseMounts(text)
  expect(proc?.type).toBe('proc')
  expect(root).toEqual({
    id: 27,
    parentId: 1,
    device: '254:0',
    root: '/',
    mountPoint: '/',
    options: ['rw', 'relatime'],
    superOptions: ['ro', 'discard'],
    type: 'ext4',
    source: '/dev/vda',
  })
  expect(data).toMatchObject({ root: '/pods/a b', source: 'mfs#9421', type: 'fuse.mfs' })
})

test('decodes whatever name the kernel escaped', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const place = `/${name.replaceAll('\0', '')}`
      const escaped = Buffer.from(place)
        .toString('latin1')
        .replace(/[ \t\n\\#]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`)
      const [mount] = parseMounts(`1 0 0:1 / ${escaped} rw - tmpfs none rw\n`)
      expect(mount?.mountPoint).toBe(Buffer.from(place).toString())
    }),
  )
})

test.each([
  ['/', 27],
  ['/data-other/x', 27],
  ['/data', 30],
  ['/data/x', 30],
  ['/data/inner/x', 31],
  ['/hidden', 34],
  ['/hidden/below/x', 34],
])('finds the mount that %s is on', (path, id) => {
  expect(mountOf(path, parseMounts(text))?.id).toBe(id)
})

test('finds no mount where none holds the path', () => {
  expect(
    mountOf('/elsewhere', parseMounts('30 27 0:25 / /data rw - tmpfs none rw')),
  ).toBeUndefined()
})

test('tells a mount point from a directory, a link to it and what is absent', async () => {
  const directory = makeTemporaryDirectory()
  symlinkSync('/proc', join(directory, 'link'))
  mkdirSync(join(directory, 'plain'))
  const places = [
    '/',
    '/proc',
    '/proc/',
    join(directory, 'link'),
    join(directory, 'plain'),
    '/no/such',
  ]
  expect(await Promise.all(places.map(isMountpoint))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ])
})

test('has no mounts where there is no mountinfo', async () => {
  expect(await readMounts('/no/such/mountinfo')).toEqual([])
})

test('sees a real mount with a space in its name, and its options', async ({ skip }) => {
  const missing = missingMounts()
  skip(missing !== undefined, missing)
  const place = join(makeTemporaryDirectory(), 'a b')
  const found = await runWithMounts(
    `mkdir '${place}'; mount -t tmpfs -o ro none '${place}'`,
    `const mount = filesystem.mountOf(values, await filesystem.readMounts())
     console.log(JSON.stringify([mount.mountPoint, mount.type, mount.options.includes('ro'), await filesystem.isMountpoint(values)]))`,
    place,
  )
  expect(found).toEqual([place, 'tmpfs', true, true])
})
