import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { temporaryDirectory } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { whyExcluded } from './exclude-rules.ts'
import { saveTree } from '../save/save.ts'

test.each([
  ['/w/.cache', 'huggingface/token', true],
  ['/w/.cache/huggingface', 'token', true],
  ['/w/.cache/huggingface', 'hub/token', false],
  ['/w/.huggingface', 'token', true],
  ['/root/.config/gh', 'hosts.yml', true],
  ['/root/.config', 'gh/hosts.yml', true],
  ['/root', '.ssh/id_ed25519', true],
  ['/root/.ssh', 'id_ed25519', false],
  ['/w/venv', 'lib/tokenizers/token', false],
])('in a tree at %s, `%s` stays out: %s', (directory, path, isLeftOut) => {
  const reason = isLeftOut ? 'credentials of a tool' : undefined
  expect(whyExcluded({ patterns: [], directory, isMountpoint: false }, path)).toBe(reason)
})

test.each([
  ['*.tmp', 'a/b.tmp', true],
  ['*.tmp', 'a/b.tmp.py', false],
  ['logs/**', 'logs/a', true],
  ['logs/**', 'x/logs/deep/a', true],
  ['logs/**', 'logs', false],
  ['logs/*', 'logs/deep/a', false],
  ['a/**/c', 'a/b/c', true],
  ['**', 'anything', true],
  ['[x]?', '[x]y', true],
])('the pattern `%s` leaves `%s` out: %s', (pattern, path, isLeftOut) => {
  const rules = { patterns: [pattern], directory: '/w/tree', isMountpoint: false }
  expect(whyExcluded(rules, path)).toBe(isLeftOut ? 'excluded' : undefined)
})

test.each([
  ['lib/python3.11/site-packages/~umpy', 'left over from a removal'],
  ['lib/python3.11/site-packages/numpy', undefined],
  ['home/~backup', undefined],
  ['.nfs00000000a1b2c3d400000012', 'left over from a removal'],
  ['.nfsrc', undefined],
  [
    'lib/python3.11/site-packages/__pycache__/__editable___x_finder.cpython-311.pyc',
    'compiled from a file that names its place',
  ],
  ['lib/python3.11/site-packages/__pycache__/six.cpython-311.pyc', undefined],
  ['.git/config', undefined],
])('`%s` stays out: %s', (path, reason) => {
  const rules = { patterns: [], directory: '/w/tree', isMountpoint: false }
  expect(whyExcluded(rules, path)).toBe(reason)
})

test('a save names the credential files that it left out, once, and not what was to be left out', async () => {
  const home = await temporaryDirectory()
  const directory = join(home, 'tree')
  const write = (path: string) => {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), path)
  }
  for (const path of ['app/.netrc', 'app/main', 'log']) write(path)
  const store = await openStore(`file://${home}/store`, { env: {} })
  const notes: string[] = []
  const onNote = (_: string, text: string) => void notes.push(text)
  const save = () => saveTree({ store, name: 'one', directory, exclude: ['log'], onNote })
  expect(await save()).toMatchObject({ result: 'saved', files: 1 })
  expect(notes).toEqual(['`app/.netrc` was not saved: credentials of a tool'])
  for (const index of Array.from({ length: 12 }).keys()) write(`${index}/.pgpass`)
  await save()
  expect(notes.slice(1, 3)).toEqual([
    '`0/.pgpass` was not saved: credentials of a tool',
    '`1/.pgpass` was not saved: credentials of a tool',
  ])
  expect(notes.slice(11)).toEqual(['2 more were not saved; the manifest names them'])
})
