import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { relateDirectories } from './relation.ts'
import { missingMounts, runWithMounts } from './testing/program.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

test('sees through symlinks, also where nothing exists yet', async () => {
  const directory = makeTemporaryDirectory()
  mkdirSync(join(directory, 'pod/data'), { recursive: true })
  mkdirSync(join(directory, 'pod-2'))
  symlinkSync('pod/data', join(directory, 'link'))
  const relate = (a: string, b: string) => relateDirectories(join(directory, a), join(directory, b))
  expect(await relate('pod', 'pod')).toBe('same')
  expect(await relate('link', 'pod/data')).toBe('same')
  expect(await relate('link/new/venv', 'pod/data/new')).toBe('a-inside-b')
  expect(await relate('pod', 'link')).toBe('b-inside-a')
  expect(await relate('pod', 'pod-2')).toBe('apart')
  expect(await relate('new', 'new')).toBe('same')
})

test('sees through bind mounts, of the directory, of its parent and of a part of it', async ({
  skip,
}) => {
  const missing = missingMounts()
  skip(missing !== undefined, missing)
  const directory = makeTemporaryDirectory()
  const relations = await runWithMounts(
    `cd '${directory}'
     mkdir -p data/pod/venv bound part other
     mount --bind data bound; mount --bind data/pod/venv part; mount -t tmpfs none other`,
    `const at = (name) => values + '/' + name
     const pairs = [['data', 'bound'], ['data/pod', 'bound/pod'], ['bound/pod/new', 'data/pod'], ['data', 'bound/pod'],
       ['part', 'data/pod'], ['part/new', 'bound/pod/venv'], ['part/a/new', 'data/pod/venv/a'], ['other', 'data']]
     const found = []
     for (const [a, b] of pairs) found.push(await filesystem.relateDirectories(at(a), at(b)))
       // Where there is no mountinfo, inodes still tell most of it.
       for (const [a, b] of pairs) found.push(await filesystem.relateDirectories(at(a), at(b), []))
     console.log(JSON.stringify(found))`,
    directory,
  )
  expect(relations).toEqual([
    'same',
    'same',
    'a-inside-b',
    'b-inside-a',
    'a-inside-b',
    'a-inside-b',
    'a-inside-b',
    'apart',
    'same',
    'same',
    'a-inside-b',
    'b-inside-a',
    'apart',
    'a-inside-b',
    'apart',
    'apart',
  ])
})
