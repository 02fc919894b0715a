import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeTemporaryDirectory } from './testing/tree.ts'
import { walkTree } from './walk.ts'

test('tells every entry, parents first, names in byte order, links not followed', async () => {
  const directory = makeTemporaryDirectory()
  mkdirSync(join(directory, 'b/inner'), { recursive: true })
  writeFileSync(join(directory, 'b/inner/file'), '')
  writeFileSync(join(directory, 'b.txt'), '')
  writeFileSync(join(directory, 'a'), '')
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff])]), '')
  symlinkSync('b', join(directory, 'c'))
  execFileSync('mkfifo', [join(directory, 'd')])
  const found: string[] = []
  for await (const { relativePath, kind } of walkTree(directory)) {
    found.push(`${relativePath.toString('latin1')} ${kind}`)
  }
  expect(found).toEqual([
    'a file',
    'b directory',
    'b/inner directory',
    'b/inner/file file',
    'b.txt file',
    'c symlink',
    'd other',
    '\xff file',
  ])
})

test('throws for a directory that is not there', async () => {
  await expect(walkTree('/no/such/directory').next()).rejects.toMatchObject({ code: 'ENOENT' })
})
