import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { berth, Pod } from './pod.ts'

const name = 'app/tree'
const HOUR_MS = 60 * 60 * 1000

let pod: Pod
let directory: string
let url: string
let firstChunks: string[]

/** Two snapshots of a tree: a file, one that changes, and one that is added. */
beforeEach(() => {
  pod = new Pod('')
  ;({ directory } = pod)
  url = `file://${directory}/store`
  write('tree/inner/file', 'content')
  write('tree/changing', 'one')
  expect(archive(['save', 'tree']).status).toBe(0)
  firstChunks = objects('chunks')
  write('tree/changing', 'two, and longer')
  write('tree/added', 'added')
  expect(archive(['save', 'tree']).status).toBe(0)
})

function write(path: string, text: string | Buffer): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true })
  writeFileSync(join(directory, path), text)
}

const read = (path: string): string => readFileSync(join(directory, path), 'utf8')

interface Finished {
  status: number | null
  stdout: string
  stderr: string
}

function run(args: readonly string[]): Finished {
  const env = { ...process.env, BERTH_STATE_DIR: join(directory, 'state') }
  const { status, stdout, stderr } = spawnSync(berth, args, {
    cwd: directory,
    encoding: 'utf8',
    env,
  })
  return { status, stdout, stderr }
}

function archive([verb = '', ...args]: readonly string[], of: string | undefined = name): Finished {
  const named = of === '' ? [] : ['--name', of]
  return run(['archive', verb, ...args, '--store', url, ...named])
}

/** What it prints with `--json`, and how it ends. */
function asked(args: readonly string[], of?: string): { status: number | null; data: unknown } {
  const { status, stdout, stderr } = archive([...args, '--json'], of)
  expect(stdout, stderr).toMatch(/^\{\n {2}"/)
  return { status, data: JSON.parse(stdout) }
}

const objects = (folder: string): string[] =>
  globSync(`store/${folder}/**/*`, { cwd: directory })
    .filter((path) => statSync(join(directory, path)).isFile())
    .toSorted()

/** As if all that the store holds had been put so much earlier. */
function age(ms: number): void {
  for (const path of objects('.')) {
    const seconds = (statSync(join(directory, path)).mtimeMs - ms) / 1000
    utimesSync(join(directory, path), seconds, seconds)
  }
}

test.each([
  [['prune', 'extra'], '', 'extra'],
  [['prune', '--keep-last', 'few'], '', '`--keep-last few` is no count'],
  [['prune', '--siblings', '30'], '', '`--siblings`: `30` is no age'],
  [['prune', '--grace', '59m'], '', '`--grace`: `59m` is less than an hour'],
  [['prune', '--keep', '3'], '', '--keep'],
  [['verify'], '', '`--name` is missing'],
  [['verify', 'app/other'], name, 'two archives are named: `app/other` and `app/tree`'],
  [['verify', 'one', 'two'], '', 'see `berth archive verify --help`'],
  [['list', 'app/other'], name, 'two archives are named'],
  [['save', 'teer'], name, 'could not save `teer`'],
  [['verify', '--from', 'tree'], name, '`--repair` is missing'],
  [['verify', '--dry-run'], name, '`--repair` is missing'],
  [['verify', '--repair', '--at', '1'], name, '`--repair` is for a whole archive'],
  [['import'], name, 'berth archive import'],
  [['import', 'nothing.tar'], name, 'there is no `nothing.tar` to import'],
  [['import', 'tree', '--strip', 'all'], name, '`--strip all` is no count'],
  [['import', 'tree'], '', '`--name` is missing'],
  [['restore'], name, 'PATH is missing'],
  [['restore', 'back', '--to', 'there'], name, 'to restore all, give the directory as PATH'],
  [['restore', '--to', 'there'], name, '`--to` goes with `--only`'],
  [['restore', 'back', '--existing', 'delete'], name, '`--existing delete` is unknown'],
  [['restore', 'back', '--only', 'added', '--to', 'there'], name, 'give `--only` before each path'],
  [['restore', '--only', 'a', '--existing', 'keep'], name, '`--existing` is for a whole tree'],
])('`archive` %j of `%s` is bad usage, and touches nothing', (args, of, said) => {
  const before = objects('.')
  const { status, stdout, stderr } = archive(args, of)
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toContain(said)
  expect(objects('.')).toEqual(before)
  expect(readdirSync(directory).toSorted()).toEqual([
    '.berth',
    'log',
    'recipe.yaml',
    'store',
    'tree',
  ])
})

test('`archive prune` says what would go, marks it, and removes it when its time has come', () => {
  const keep = ['--keep-last', '1', '--keep-daily', '0']
  const nothing = { objects: 0, bytes: 0, snapshots: [] }
  const old = `${name}@00000001`
  const dry = asked(['prune', ...keep, '--dry-run'], '')
  const expected = {
    result: 'pruned',
    removed: nothing,
    marked: { ...nothing, snapshots: [old] },
    spared: { objects: 0, snapshots: [] },
    later: { objects: 0, bytes: 0 },
    kept: { snapshots: 2, siblings: 0, objects: objects('chunks').length + 2 },
    young: { objects: 0, bytes: 0 },
  }
  expect(dry).toMatchObject({ status: 0, data: expected })
  expect(objects('prune')).toEqual([])
  expect(asked(['prune', ...keep], '')).toMatchObject({ status: 0, data: expected })
  const waiting = archive(['prune', ...keep])
  expect(waiting.status).toBe(0)
  expect(waiting.stdout).toMatch(
    /^waiting file:.*\n {2}marked before: 0 objects.*app\/tree@00000001/,
  )
  age(25 * HOUR_MS)
  expect(asked(['prune', ...keep], '')).toMatchObject({
    status: 0,
    data: { result: 'pruned', removed: { snapshots: [old] } },
  })
  expect(JSON.parse(archive(['list', '--json']).stdout)).toMatchObject([{ name: '00000002' }])
  expect(archive(['restore', 'back']).status).toBe(0)
  expect(read('back/changing')).toBe('two, and longer')
})

test('`archive prune` says that siblings stay, unless their age is given', () => {
  const manifest = 'store/snapshots/app/tree/@/00000002'
  const { id } = JSON.parse(archive(['list', '--json']).stdout)[0] as { id: string }
  copyFileSync(
    join(directory, `${manifest}.json.zst`),
    join(directory, `${manifest}~${id}.json.zst`),
  )
  expect(archive(['prune', '--dry-run'], '').stdout).toContain(
    '\n  1 sibling kept: see `--siblings`',
  )
  expect(archive(['prune', '--dry-run', '--siblings', '9d'], '').stdout).not.toContain('sibling')
})

test('`archive prune` removes nothing when a snapshot can’t be read, or none has the name', () => {
  expect(archive(['prune'], 'app/tre')).toMatchObject({ status: 1, stdout: '' })
  expect(archive(['prune'], 'app/tre').stderr).toContain('such as `app/tree`')
  write('store/snapshots/app/tree/@/00000001.json.zst', 'no manifest')
  const before = objects('.')
  const failed = archive(['prune'], '')
  expect(failed).toMatchObject({ status: 1, stdout: '' })
  expect(failed.stderr).toContain('archive/bad-manifest')
  expect(objects('.')).toEqual(before)
})

test('`archive verify --repair` builds from the tree what is missing, and says what can’t be had', () => {
  const chunks = objects('chunks')
  expect(asked(['verify'])).toMatchObject({
    status: 0,
    data: { snapshots: 2, chunks: chunks.length, problems: [] },
  })
  for (const path of chunks) rmSync(join(directory, path))
  expect(asked(['verify']).status).toBe(1)
  const dry = asked(['verify', '--repair', '--from', 'tree', '--dry-run'])
  expect(objects('chunks')).toEqual([])
  // What `changing` was in the first snapshot is nowhere any more.
  const damaged = [
    { snapshot: '00000002', lost: [] },
    { snapshot: '00000001', lost: ['changing'] },
  ]
  expect(dry).toMatchObject({ status: 1, data: { generation: 'would-commit', damaged } })
  const repaired = asked(['verify', '--repair', '--from', 'tree'])
  expect(repaired).toMatchObject({ status: 1, data: { generation: 'committed', damaged } })
  const verified = asked(['verify']).data as { problems: { snapshots: string[] }[] }
  expect(new Set(verified.problems.flatMap(({ snapshots }) => snapshots))).toEqual(
    new Set(damaged.map(({ snapshot }) => snapshot)),
  )
  expect(archive(['restore', 'back']).status).toBe(0)
  expect(read('back/inner/file')).toBe('content')
})

test('`archive verify --repair` finds the tree by itself, and ends well when all is whole again', () => {
  const chunks = objects('chunks')
  const second = chunks.filter((path) => !firstChunks.includes(path))
  expect(second).toHaveLength(1)
  rmSync(join(directory, second[0] ?? ''))
  const repaired = archive(['verify', '--repair'])
  expect(repaired).toMatchObject({ status: 0 })
  expect(repaired.stdout).toContain('`app/tree` is whole again: 1 chunk')
  expect(objects('chunks')).toEqual(chunks)
  expect(asked(['verify', '--repair'])).toMatchObject({ status: 0, data: { rebuilt: [] } })
})

test('`archive verify --repair` commits nothing that lacks something, unless that is accepted', () => {
  for (const path of objects('chunks')) rmSync(join(directory, path))
  rmSync(join(directory, 'tree/added'))
  const before = objects('.')
  const refused = archive(['verify', '--repair', '--from', 'tree'])
  expect(refused).toMatchObject({ status: 1 })
  expect(refused.stdout).toMatch(/^✖ 00000002: lost 1 file: added; /m)
  expect(refused.stdout).toContain('✖ committed nothing: ')
  expect(refused.stdout).toContain('--accept-lost')
  expect(objects('.')).toEqual(before)
  const dry = archive(['verify', '--repair', '--from', 'tree', '--accept-lost', '--dry-run'])
  expect(dry.stdout).toContain('✔ would commit a further generation')
  const accepted = archive(['verify', '--repair', '--from', 'tree', '--accept-lost'])
  expect(accepted.stdout).toContain('✔ committed 00000003')
  expect(archive(['list']).stdout).toContain('made by a repair: lacks 1 file of 00000002')
  const restored = archive(['restore', 'back'])
  expect(restored.status).toBe(0)
  expect(restored.stderr).toContain('00000003 was made by a repair and lacks 1 file of 00000002')
})

test('`archive verify` names each damaged object once, and ends with the cure', () => {
  const [path = ''] = objects('chunks')
  rmSync(join(directory, path))
  const { status, stdout } = archive(['verify'])
  expect(status).toBe(1)
  expect(stdout.split(path.slice('store/'.length))).toHaveLength(2)
  expect(stdout).toContain(`To fix: run \`berth archive verify --repair --name ${name} --from `)
})

test.each(['prune', 'list', 'verify', 'restore'])(
  '`archive %s` of a store that is not there says so, and makes nothing',
  (verb) => {
    const missing = `file://${directory}/stroe`
    const path = verb === 'restore' ? ['nope/deep/x'] : []
    const named = verb === 'prune' ? [] : ['--name', name]
    const { status, stdout, stderr } = run(['archive', verb, ...path, '--store', missing, ...named])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(missing)
    expect(stderr).toContain('To fix: ')
    expect(existsSync(join(directory, 'stroe'))).toBe(false)
    expect(existsSync(join(directory, 'nope'))).toBe(false)
  },
)

test('`archive restore .` says that the directory was replaced, and what comes behind says what to do', () => {
  write('tree/changing', 'three, and longer still')
  const script = `
    cd tree
    "$0" archive restore . --at 1 --store "${url}" --name ${name} || exit 9
    mkdir ../gone && cd ../gone && rmdir "$PWD"
    "$0" archive list --store "${url}"
  `
  const { status, stderr } = spawnSync('sh', ['-c', script, berth], {
    cwd: directory,
    encoding: 'utf8',
  })
  expect(status, stderr).toBe(2)
  expect(stderr).toContain('the current directory was replaced')
  expect(stderr).toContain('cli/no-directory')
  expect(stderr).not.toContain('core/bug')
})

test('`archive import` takes over what tar wrote, once, and refuses what is damaged', () => {
  execFileSync('tar', ['-czf', 'old.tar.gz', '-C', 'tree', '.'], { cwd: directory })
  expect(asked(['import', 'old.tar.gz'], 'old/tree')).toMatchObject({
    status: 0,
    data: {
      result: 'imported',
      snapshot: '00000001',
      parts: 1,
      files: 3,
      links: 0,
      strippedFiles: 0,
      skipped: [],
    },
  })
  expect(archive(['restore', 'back'], 'old/tree').status).toBe(0)
  expect(read('back/inner/file')).toBe('content')
  const again = archive(['import', 'old.tar.gz'], 'old/tree')
  expect(again).toMatchObject({ status: 1, stdout: '' })
  expect(again.stderr).toContain('archive/existing')
  write('cut.tar.gz', readFileSync(join(directory, 'old.tar.gz')).subarray(0, 150))
  const before = objects('.')
  const cut = archive(['import', 'cut.tar.gz'], 'cut/tree')
  expect(cut).toMatchObject({ status: 1, stdout: '' })
  expect(cut.stderr).toMatch(/archive\/(corrupt|incomplete)-source/)
  expect(objects('.')).toEqual(before)
})

test('`archive restore --at` takes an older snapshot, and names those that are there for another', () => {
  expect(asked(['restore', 'back', '--at', '1'])).toMatchObject({
    status: 0,
    data: { result: 'restored', generation: 1, snapshot: '00000001', files: 2 },
  })
  expect(read('back/changing')).toBe('one')
  const kept = archive(['restore', 'back'])
  expect(kept.stdout).toBe(
    'kept what is there (generation 1; the store has 00000002): `--at 00000002` replaces it, what is there is set aside\n',
  )
  const replaced = asked(['restore', 'back', '--at', '00000002'])
  const { aside } = replaced.data as { aside: string }
  expect(readFileSync(join(aside, 'changing'), 'utf8')).toBe('one')
  expect(read('back/changing')).toBe('two, and longer')
  expect(archive(['restore', 'back']).stdout).toContain('(generation 2): it was restored or saved')
  const missing = archive(['restore', 'other', '--at', '9'])
  expect(missing).toMatchObject({ status: 1, stdout: '' })
  expect(missing.stderr).toContain('To fix: name one that is there: `00000002`')
  expect(existsSync(join(directory, 'other'))).toBe(false)
})

test('`archive restore` over what Berth does not know keeps it, or fails in the words of the command line', () => {
  write('mine/file', 'mine')
  const kept = archive(['restore', 'mine', '--existing', 'keep'])
  expect(kept).toMatchObject({ status: 0, stdout: 'kept what is there: it was there already\n' })
  const failed = archive(['restore', 'mine', '--existing', 'fail'])
  expect(failed).toMatchObject({ status: 1, stdout: '' })
  expect(failed.stderr).toContain('give `--existing aside` to have it renamed')
  expect(read('mine/file')).toBe('mine')
})

test('`archive list` and `verify` take a name as it stands, and say what is not there', () => {
  expect(archive(['verify', name], '')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('`app/tree` is whole') as string,
  })
  expect(JSON.parse(archive(['list', 'app', '--json'], '').stdout)).toMatchObject([
    { archive: name, snapshots: 2 },
  ])
  const unknown = archive(['list', 'app/tere'], '')
  expect(unknown).toMatchObject({ status: 1, stdout: '' })
  expect(unknown.stderr).toContain('such as `app/tree`')
  const nowhere = run(['archive', 'list', '--store', `file://${directory}/stroe`])
  expect(nowhere).toMatchObject({ status: 0, stdout: '' })
  expect(nowhere.stderr).toContain('stroe: there is no such directory')
})

test('`archive restore --only` puts single paths into a new directory, and never into one that is there', () => {
  const one = asked([
    'restore',
    '--only',
    'inner',
    '--only',
    'changing',
    '--at',
    '1',
    '--to',
    'some',
  ])
  expect(one).toMatchObject({ status: 0, data: { directory: join(directory, 'some'), files: 2 } })
  expect(read('some/inner/file') + read('some/changing')).toBe('contentone')
  expect(existsSync(join(directory, 'some/added'))).toBe(false)
  const again = archive(['restore', '--only', 'added', '--to', 'some'])
  expect(again).toMatchObject({ status: 1, stdout: '' })
  expect(again.stderr).toContain('archive/existing')
  expect(archive(['restore', '--only', 'added']).status).toBe(0)
  expect(read('tree-00000002/added')).toBe('added')
  const none = archive(['restore', '--only', 'no/such', '--to', 'none'])
  expect(none).toMatchObject({ status: 1, stdout: '' })
  expect(none.stderr).toContain('archive/no-such-path')
  expect(existsSync(join(directory, 'none'))).toBe(false)
})

test('a recipe prunes with the step of its own', () => {
  write(
    'recipe.yaml',
    `
name: example
shutdown:
  - uses: venv-archive/prune
    with: { store: "${url}", archive: ${name}, keep-last: 1, keep-daily: 0 }
    every: 24h
`,
  )
  const marked = run(['run', 'recipe.yaml', 'shutdown'])
  expect(marked).toMatchObject({ status: 0 })
  expect(objects('prune')).toHaveLength(1)
  age(25 * HOUR_MS)
  expect(run(['run', 'recipe.yaml', 'shutdown']).status).toBe(0)
  expect(objects('snapshots').filter((path) => path.endsWith('.json.zst'))).toEqual([
    'store/snapshots/app/tree/@/00000002.json.zst',
  ])
})
