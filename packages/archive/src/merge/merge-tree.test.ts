import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeManifest, encodeManifest, type Chunk, type StoredFile } from '../format/manifest.ts'
import { type StoredTree, placeKey } from './merge-state.ts'
import { mergeTrees } from './merge-tree.ts'
import { createUnits, isDerived } from './merge-unit.ts'
import { sortTree } from '../format/sort-tree.ts'
import { parentPath } from '../format/tree.ts'

const owned = { mode: 0o644, uid: 0, gid: 0, mtime: 1 }
const CONTENT_BYTES = 100

/** A tree from paths to contents; `-> x` is a link, `= x` a further name of the file x. Each content is a chunk of its own. */
function makeTree(content: Readonly<Record<string, string>>): StoredTree {
  const chunks: Chunk[] = []
  const directories = new Set<string>([''])
  const files: StoredFile[] = []
  const tree: StoredTree['tree'] = {
    directories: [],
    files,
    links: [],
    hardLinks: [],
    leftOut: [],
  }
  for (const [path, text] of Object.entries(content)) {
    for (let at = parentPath(path); at !== ''; at = parentPath(at)) directories.add(at)
    if (text === '/') directories.add(path)
    else if (text.startsWith('-> '))
      tree.links.push({ path, target: text.slice(3), uid: 0, gid: 0, mtime: 1 })
    else if (text.startsWith('= ')) tree.hardLinks.push({ path, to: text.slice(2) })
    else {
      const [name = '', mtime = '1'] = text.split('@')
      const sha256 = Buffer.from(name).toString('hex').padEnd(64, '0')
      let chunk = chunks.findIndex((each) => each.sha256 === sha256)
      if (chunk < 0)
        chunk =
          chunks.push({ sha256, kind: 'group', frames: [{ stored: 9, raw: 2000 }], born: 'x' }) - 1
      const place = { kind: 'group', chunk, frame: 0, offset: 512 } as const
      files.push({ path, ...owned, mtime: +mtime, size: CONTENT_BYTES, sparse: false, place })
    }
  }
  tree.directories.push(...[...directories].map((path) => ({ path, ...owned, mode: 0o755 })))
  return { tree: sortTree(tree), chunks }
}

/** The inverse, without times. */
function readTree({ tree, chunks }: StoredTree): Record<string, string> {
  const parents = new Set(
    [...tree.directories, ...tree.files, ...tree.links, ...tree.hardLinks].map(({ path }) =>
      parentPath(path),
    ),
  )
  const textOf = (file: StoredFile): string =>
    Buffer.from(placeKey(file.place, chunks).replace(/(00)*:.*/, ''), 'hex').toString()
  return Object.fromEntries([
    ...tree.directories.flatMap(({ path }) => (parents.has(path) ? [] : [[path, '/']])),
    ...tree.files.map((file) => [file.path, textOf(file)]),
    ...tree.links.map(({ path, target }) => [path, `-> ${target}`]),
    ...tree.hardLinks.map(({ path, to }) => [path, `= ${to}`]),
  ])
}

type Content = Record<string, string>

function merge(base: Content, mine: Content, theirs: Content, archive = 'pods/data') {
  const merged = mergeTrees(
    { base: makeTree(base), mine: makeTree(mine), theirs: makeTree(theirs) },
    archive,
  )
  const { conflicts, equals } = merged
  return {
    tree: readTree(merged),
    conflicts: conflicts.map(({ unit, lost }) => `${lost} ${unit.kind} ${unit.path}`),
    equals,
  }
}

test('takes what one side added, changed and removed', () => {
  const base = { a: '1', b: '1', c: '1', 'd/e': '1' }
  const mine = { a: '2', c: '1', 'd/e': '1', 'new/mine': '1' }
  const theirs = { a: '1', b: '1', 'd/e': '2', 'new/theirs': '1' }
  expect(merge(base, mine, theirs)).toEqual({
    tree: { a: '2', 'd/e': '2', 'new/mine': '1', 'new/theirs': '1' },
    conflicts: [],
    equals: { mine: false, theirs: false },
  })
})

test('keeps what one side removed and the other changed', () => {
  expect(merge({ a: '1', b: '1' }, { a: '2' }, { b: '2' }).tree).toEqual({ a: '2', b: '2' })
  expect(merge({ a: '1', b: '1' }, {}, {}).tree).toEqual({})
})

test('takes mine of a file that both changed, and says whose is lost', () => {
  expect(merge({ a: '1' }, { a: '2' }, { a: '3' })).toEqual({
    tree: { a: '2' },
    conflicts: ['theirs path a'],
    equals: { mine: true, theirs: false },
  })
  expect(merge({ a: '1' }, { a: '2' }, { a: '2' })).toMatchObject({
    conflicts: [],
    equals: { mine: true, theirs: true },
  })
})

test('takes a custom node as a whole', () => {
  const base = { 'custom_nodes/x/a': '1', 'custom_nodes/x/b': '1', 'custom_nodes/y.py': '1' }
  const mine = { ...base, 'custom_nodes/x/a': '2', 'custom_nodes/mine/a': '1' }
  const theirs = { ...base, 'custom_nodes/x/b': '3', 'custom_nodes/theirs/a': '1' }
  const merged = { ...mine, 'custom_nodes/theirs/a': '1' }
  expect(merge(base, mine, theirs)).toMatchObject({
    tree: merged,
    conflicts: ['theirs node custom_nodes/x'],
  })
  const short = (content: Content) =>
    Object.fromEntries(Object.entries(content).map(([path, text]) => [path.slice(13), text]))
  expect(merge(short(base), short(mine), short(theirs), 'pods/custom_nodes')).toMatchObject({
    tree: short(merged),
    conflicts: ['theirs node x'],
  })
})

test.each([
  ['venv', 'venv/pyvenv.cfg', 'venv/lib/python3.11/site-packages/'],
  ['', 'pyvenv.cfg', 'lib/python3.11/site-packages/'],
  ['env', 'env/bin/python', 'env/lib/python3.12/site-packages/'],
  ['libs/site-packages', 'libs/site-packages/six.py', 'libs/site-packages/'],
])('never mixes an environment (%s), and keeps theirs', (path, mark, packages) => {
  const base = { [mark]: '1', other: '1' }
  const mine = { ...base, [`${packages}a/__init__.py`]: '1' }
  const theirs = { ...base, [`${packages}b/__init__.py`]: '1' }
  expect(merge(base, mine, base).tree).toEqual(mine)
  expect(merge(base, base, theirs).tree).toEqual(theirs)
  expect(merge(base, mine, theirs)).toMatchObject({
    tree: theirs,
    conflicts: [`mine environment ${path}`],
    equals: { mine: false, theirs: true },
  })
})

test('does not take for a change what programs write by themselves', () => {
  const base = { 'custom_nodes/x/a.py': '1', 'custom_nodes/x/.git/HEAD': '1' }
  const mine = {
    ...base,
    'custom_nodes/x/__pycache__/a.pyc': '1',
    'custom_nodes/x/.git/FETCH_HEAD': '1',
    'custom_nodes/x/.git/objects/ab/cd': '1',
  }
  const theirs = {
    'custom_nodes/x/a.py': '2',
    'custom_nodes/x/.git/HEAD': '1',
    'custom_nodes/x/__pycache__/a.pyc': '2',
  }
  expect(merge(base, mine, theirs)).toMatchObject({ tree: theirs, conflicts: [] })
  expect(merge(base, theirs, mine)).toMatchObject({ tree: theirs, conflicts: [] })
  expect(merge(base, mine, base).tree).toEqual(mine)
  expect(isDerived('x/.git/refs/heads/main')).toBe(false)
  expect(isDerived('x/.git/config')).toBe(false)
})

test('keeps a database and its journal of one side', () => {
  const [base, mine] = [{ 'a.db': '1' }, { 'a.db': '2', 'a.db-wal': '2' }]
  expect(merge(base, mine, { 'a.db': '1', 'a.db-wal': '3' })).toMatchObject({
    tree: mine,
    conflicts: ['theirs path a.db'],
  })
})

test('a file in the place of a directory displaces what the other side put there', () => {
  expect(merge({ 'a/b': '1', c: '1' }, { a: '2', c: '1' }, { 'a/b': '3', c: '1' })).toMatchObject({
    tree: { a: '2', c: '1' },
    conflicts: ['theirs path a/b'],
    equals: { theirs: false },
  })
  expect(merge({ 'a/b': '1' }, { 'a/b': '3' }, { a: '2' })).toMatchObject({
    tree: { 'a/b': '3' },
    conflicts: ['theirs path a'],
  })
})

test('a further name of a file is never left without it', () => {
  const base = { a: '1', b: '= a', 'custom_nodes/x/c': '= a' }
  expect(merge(base, { a: '2', b: '= a', 'custom_nodes/x/c': '= a' }, base).tree).toEqual({
    a: '2',
    b: '= a',
    'custom_nodes/x/c': '= a',
  })
  const apart = merge(base, { ...base, a: '2', b: '1', 'custom_nodes/x/c': '= b' }, base)
  expect(apart.tree).toEqual({ a: '2', b: '1', 'custom_nodes/x/c': '1' })
})

const NAMES = ['a', 'b', 'custom_nodes', '.git', 'x.db', 'x.db-wal', 'pyvenv.cfg', '__pycache__']
const path = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('1', '2', '3', '1@5', '2@7') },
  { weight: 1, arbitrary: fc.constantFrom('-> a', '-> b', '/') },
)
const edits = fc.array(fc.tuple(path, fc.option(text, { nil: undefined })), { maxLength: 8 })
type Edit = [string[], string | undefined]

/** What is put at a path takes the place of all below it, and of a file above it. */
function edit(before: Content, list: readonly Edit[]): Content {
  let content = { ...before }
  for (const [names, value] of list) {
    const at = names.join('/')
    const clashes = (other: string) =>
      other === at || other.startsWith(`${at}/`) || at.startsWith(`${other}/`)
    content = Object.fromEntries(Object.entries(content).filter(([other]) => !clashes(other)))
    if (value !== undefined) content[at] = value
  }
  return content
}

/** Every entry with its content, as units name them. */
function piecesOf(content: Content): string[] {
  return Object.entries(content)
    .filter(([at, value]) => value !== '/' && !isDerived(at))
    .map(([at, value]) => `${at} ${value.split('@')[0]}`)
}

test('nothing of anyone is lost without being named', () => {
  fc.assert(
    fc.property(edits, edits, edits, (first, second, third) => {
      const base = edit({}, first)
      const [mine, theirs] = [edit(base, second), edit(base, third)]
      const sides = { base: makeTree(base), mine: makeTree(mine), theirs: makeTree(theirs) }
      const merged = mergeTrees(sides, 'pods/data')
      expect(mergeTrees(sides, 'pods/data')).toMatchObject({ tree: merged.tree })
      // A manifest with this tree can be read.
      const head = { id: '0123456789', archive: 'x', generation: 1, parent: null, created: '' }
      const manifest = { ...head, pod: '', additive: false, venvs: [], ...merged }
      decodeManifest(encodeManifest(manifest), 'merged')
      const unitOf = createUnits([sides.base.tree, sides.mine.tree, sides.theirs.tree], 'pods/data')
      const lost = (side: string) =>
        merged.conflicts.filter((conflict) => conflict.lost === side).map(({ unit }) => unit.path)
      const [lostOfMine, lostOfTheirs] = [lost('mine'), lost('theirs')]
      const now = new Set(piecesOf(readTree(merged)))
      const [b, m, t] = [base, mine, theirs].map((side) => new Set(piecesOf(side)))
      const isNamed = (piece: string, units: string[]) =>
        units.includes(unitOf(piece.slice(0, piece.indexOf(' '))).path)
      for (const piece of m ?? [])
        if (!b?.has(piece) && !now.has(piece)) expect(isNamed(piece, lostOfMine)).toBe(true)
      for (const piece of t ?? [])
        if (!b?.has(piece) && !now.has(piece)) expect(isNamed(piece, lostOfTheirs)).toBe(true)
      for (const piece of b ?? [])
        // Both have it still.
        if (m?.has(piece) && t?.has(piece) && !now.has(piece))
          expect(isNamed(piece, [...lostOfMine, ...lostOfTheirs])).toBe(true)
      for (const piece of now) expect(m?.has(piece) || t?.has(piece)).toBe(true)
    }),
    { numRuns: 3000 },
  )
})
