import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Move, type TextKind, isWritable, relocateText } from './relocate-text.ts'
import { newDirectory } from '../testing.ts'

const OLD = '/old/venv'
const MOVES: Move[] = [{ from: OLD, to: '/new/place' }]

function relocate(text: string, kind: TextKind = 'data', moves: readonly Move[] = MOVES): string {
  return relocateText(text, { kind, moves, isInTree: (path) => !path.includes('absent') })
}

test.each<[string, string, TextKind?]>([
  ['#!/old/venv/bin/python\nx', '#!/new/place/bin/python\nx', 'script'],
  ['#! /old/venv/bin/python3.11 -I\n', '#!/new/place/bin/python3.11 -I\n', 'script'],
  ['#!/old/venv/bin/node\n', '#!/new/place/bin/node\n', 'script'],
  [
    `#!/bin/sh\n'''exec' "/old/venv/bin/python" "$0" "$@"\n' '''\n`,
    `#!/bin/sh\n'''exec' "/new/place/bin/python" "$0" "$@"\n' '''\n`,
    'script',
  ],
  [
    `#!/bin/sh\n'''exec' /old/venv/bin/python "$0" "$@"\n' '''\n`,
    `#!/bin/sh\n'''exec' /new/place/bin/python "$0" "$@"\n' '''\n`,
    'script',
  ],
  ['VIRTUAL_ENV=/old/venv', 'VIRTUAL_ENV=/new/place', 'shell'],
  ['PATH="/x:/old/venv/bin:$PATH"', 'PATH="/x:/new/place/bin:$PATH"', 'shell'],
  ["set -gx VIRTUAL_ENV '/old/venv'", "set -gx VIRTUAL_ENV '/new/place'", 'shell'],
  ['V=$(cygpath /old/venv)', 'V=$(cygpath /new/place)', 'shell'],
  ['/old/venv/src\n/old/venv\n', '/new/place/src\n/new/place\n'],
  ["MAPPING = {'a': '/old/venv/src/a'}", "MAPPING = {'a': '/new/place/src/a'}"],
  ['{"url": "file:///old/venv/src"}', '{"url": "file:///new/place/src"}'],
  ['pkg @ git+file:///old/venv', 'pkg @ git+file:///new/place'],
  ['{"argv":["/old/venv/bin/python"]}', '{"argv":["/new/place/bin/python"]}'],
  ['command = /usr/bin/python3 -m venv /old/venv', 'command = /usr/bin/python3 -m venv /new/place'],
])('renames a whole mention: %j becomes %j', (text, expected, kind) => {
  expect(relocate(text, kind)).toBe(expected)
})

test.each([
  '/older/venv2 /old/venv2 x/old/venv /mnt/old/venv /old/venv-b /old/venv.bak ${ROOT}/old/venv',
  'https://host/old/venv /é/old/venv',
  '/elsewhere/bin/python',
  '#!/usr/bin/env python\n',
  '\0ELF /old/venv/lib',
])('leaves %j alone', (text) => {
  for (const kind of ['script', 'shell', 'settings', 'data'] as const)
    expect(relocate(text, kind)).toBe(text)
})

test('keeps bytes that are no UTF-8, and names a place that is', () => {
  const bytes = Buffer.concat([Buffer.from("'/old/venv' '"), Buffer.from([0xff, 0xe9, 0x27])])
  const text = relocate(bytes.toString('latin1'), 'data', [{ from: OLD, to: '/wörk' }])
  expect(Buffer.from(text, 'latin1')).toEqual(
    Buffer.concat([Buffer.from("'/wörk' '"), Buffer.from([0xff, 0xe9, 0x27])]),
  )
})

test('leads home a Python that comes along, and leaves one that stays', () => {
  const settings = (home: string) =>
    `home = ${home}/bin\nexecutable=${home}/bin/python3\ninclude-system-site-packages = false\n`
  const moves = [{ from: '/w/tree', to: '/n' }]
  expect(relocate(settings('/w/tree/python'), 'settings', moves)).toBe(settings('/n/python'))
  expect(relocate(settings('/w/tree/absent'), 'settings', moves)).toBe(settings('/w/tree/absent'))
  expect(relocate(settings('/usr'), 'settings', moves)).toBe(settings('/usr'))
})

test('moves below itself and back, and from several places at once', () => {
  const below = [{ from: '/old', to: '/old/old' }]
  expect(relocate('/old/bin:/old', 'data', below)).toBe('/old/old/bin:/old/old')
  const back = [{ from: '/old/old', to: '/old' }]
  expect(relocate('/old/old/bin /old/bin', 'data', back)).toBe('/old/bin /old/bin')
  const both = [
    { from: '/a', to: '/c/d' },
    { from: '/a/b', to: '/c' },
  ]
  expect(relocate('/a/b/x /a/x', 'data', both)).toBe('/c/x /c/d/x')
})

test('quotes a place with a blank where the text does not', () => {
  const moves = [{ from: OLD, to: '/my place' }]
  expect(relocate('V=/old/venv\nP="/old/venv/bin"\n', 'shell', moves)).toBe(
    `V='/my place'\nP="/my place/bin"\n`,
  )
  expect(relocate('{"url":"file:///old/venv"}', 'data', moves)).toBe('{"url":"file:///my%20place"}')
  expect(relocate('file:///my%20place/x', 'data', [{ from: '/my place', to: "/ü (1)'" }])).toBe(
    'file:///%C3%BC%20%281%29%27/x',
  )
})

test.each(["/a'b", '/a"b', '/a$b', '/a`b', '/a\\b', '/a\nb'])(
  'can not write %j into scripts',
  (path) => {
    expect(isWritable(path)).toBe(false)
  },
)

test.each([
  ['is too long for the kernel', join('x'.repeat(200), 'y'.repeat(60))],
  ['holds a blank', 'my venv (1)'],
])('leads a first line through the shell when the path %s, and the script runs', (_, name) => {
  const place = join(newDirectory(), name)
  mkdirSync(join(place, 'bin'), { recursive: true })
  writeFileSync(join(place, 'bin/python'), '#!/bin/sh\necho "ran $2"\n')
  chmodSync(join(place, 'bin/python'), 0o755)
  const moves = [{ from: OLD, to: place }]
  const direct = relocate('#!/old/venv/bin/python\nprint()\n', 'script', moves)
  expect(direct.split('\n')[0]).toBe('#!/bin/sh')
  const again = relocate(
    direct.replaceAll(`"${place}/bin/python"`, '/old/venv/bin/python'),
    'script',
    moves,
  )
  for (const text of [direct, again]) {
    const script = join(place, 'bin/tool')
    writeFileSync(script, text)
    chmodSync(script, 0o755)
    expect(execFileSync(script, ['it'], { timeout: 10_000 }).toString()).toBe('ran it\n')
  }
})
