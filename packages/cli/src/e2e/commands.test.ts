import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { berth, eventually, type Finished, Pod, runIn } from './pod.ts'

const valid = `
name: example
vars: { store: { env: EXAMPLE_STORE, required: true } }
boot:
  - { id: one, run: 'echo one >> "$LOG"; echo "n=5" >> "$BERTH_OUTPUT"', outputs: [n] }
  - { id: two, run: 'echo "two \${{ steps.one.outputs.n }} \${{ vars.store }}" >> "$LOG"' }
shutdown: [{ id: save, run: 'echo save >> "$LOG"; exit 1', optional: true }]
`

test('a reader of a pipe that is slow gets everything, and one that goes away ends it quietly', () => {
  const pod = new Pod('')
  const read = (line: string): Finished => {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', line, berth], {
      cwd: pod.directory,
      encoding: 'utf8',
    })
    return { status, stdout, stderr }
  }
  const slow = read('set -o pipefail; "$0" schema | (sleep 1; cat)')
  expect(slow).toMatchObject({ status: 0, stderr: '' })
  expect(slow.stdout.length).toBeGreaterThan(65_536)
  expect(JSON.parse(slow.stdout)).toHaveProperty('type', 'object')
  expect(read('"$0" schema | head -c 1')).toEqual({ status: 0, stdout: '{', stderr: '' })
})

test('prints its version, through a link and from any directory', () => {
  const pod = new Pod('')
  const link = join(pod.directory, 'berth')
  symlinkSync(berth, link)
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  const { stdout, status } = spawnSync(link, ['--version'], { cwd: '/', encoding: 'utf8' })
  expect({ stdout, status }).toEqual({ stdout: `${version}\n`, status: 0 })
})

test('prints help on stdout when asked, and ends with 2 when told nothing', () => {
  const pod = new Pod('')
  expect(runIn(pod, ['--help'])).toMatchObject({ status: 0, stderr: '' })
  expect(runIn(pod, ['boot', '--help']).stdout).toContain('Usage: berth boot RECIPE')
  const group = runIn(pod, ['archive', '--help'])
  expect(group).toMatchObject({ status: 0, stderr: '' })
  for (const verb of ['save', 'restore', 'list', 'verify']) {
    expect(group.stdout).toContain(`  archive ${verb} `)
  }
  expect(runIn(pod, []).status).toBe(2)
  const unknown = runIn(pod, ['bot'])
  expect(unknown).toMatchObject({ status: 2, stdout: '' })
  expect(unknown.stderr).toBe(
    '✖ the command `bot` is unknown; did you mean `boot`?  cli/unknown-command\n  To fix: see `berth --help`\n',
  )
})

test('runs one pipeline, and the next one has its outputs', () => {
  const pod = new Pod(valid)
  const env = { EXAMPLE_STORE: 'file:///s' }
  expect(runIn(pod, ['run', pod.recipe, 'boot'], env).status).toBe(0)
  expect(pod.log).toEqual(['one', 'two 5 file:///s'])
  expect(runIn(pod, ['run', pod.recipe, 'shutdown'], env).status).toBe(0)
  expect(runIn(pod, ['run', pod.recipe, 'shutdown', '--strict'], env).status).toBe(3)
  expect(runIn(pod, ['run', pod.recipe, 'shutdown', '--set', 'store=x']).status).toBe(0)
})

test.each([
  [['run', 'recipe.yaml', 'boot'], 'recipe/missing-variable'],
  [['run', 'recipe.yaml', 'bott'], 'did you mean `boot`?'],
  [['run', 'recipe.yaml', 'build', '--set', 'store=x'], 'cli/no-such-pipeline'],
  [['run', 'missing.yaml', 'boot'], 'recipe/not-found'],
  [['plan', 'missing.yaml'], 'recipe/not-found'],
  [['boot', 'missing.yaml'], 'recipe/not-found'],
  [['validate', 'missing.yaml'], 'recipe/not-found'],
  [['validate', 'recipe.yaml', '--format', 'xml'], 'cli/usage'],
  [['archive', 'save', '.', '--store', 'file:///tmp/x'], '`--name` is missing'],
  [['archive', 'list'], 'cli/no-store'],
  [['boot', 'recipe.yaml', 'true'], 'put `--` before the app’s command'],
  [['archive', 'list', '--store', 's4://bucket'], 's4'],
])('ends with 2 and runs nothing for %j', (args, text) => {
  const pod = new Pod(valid)
  const { status, stderr } = runIn(pod, args, { BERTH_STORE: '', RUNPOD_S3_BUCKET: '' })
  expect(stderr).toContain(text)
  expect(status).toBe(2)
  expect(pod.log).toEqual([])
})

test('cancels a pipeline that is run by hand when SIGTERM comes', async () => {
  const pod = new Pod(`boot: [{ id: long, run: 'echo long >> "$LOG"; sleep 60' }]`)
  const run = pod.berth(['run', pod.recipe, 'boot'])
  await eventually(() => pod.log.includes('long'))
  run.kill('SIGTERM')
  const { code, durationMs } = await run.ended
  expect(code).toBe(143)
  expect(durationMs).toBeLessThan(20_000)
})

test('plans without running, and says what depends on an earlier step', () => {
  const pod = new Pod(valid)
  const { status, stdout } = runIn(pod, ['plan', pod.recipe, '--set', 'store=x'])
  expect(status).toBe(0)
  expect(stdout.split('\n').map((line) => line.trimEnd())).toEqual([
    'boot',
    expect.stringMatching(/^ {2}one {7}run {8}runs `echo one/),
    '  two       unknown    depends on what `one` finds',
    'shutdown',
    expect.stringMatching(/^ {2}save {6}run .*\(optional\)$/),
    '',
  ])
  const { stdout: json } = runIn(pod, [
    'plan',
    pod.recipe,
    'shutdown',
    '--json',
    '--set',
    'store=x',
  ])
  const plan = JSON.parse(json) as { pipelines: Record<string, { id: string }[]> }
  expect(
    Object.entries(plan.pipelines).map(([name, steps]) => [name, steps.map(({ id }) => id)]),
  ).toEqual([['shutdown', ['save']]])
  expect(pod.log).toEqual([])
})

test('a plan tells once what is wrong with an input', () => {
  const pod = new Pod(`
boot: [{ id: data, uses: restore/shared, with: { to: data, store: "\${{ vars.store }}", archive: pod, directories: [a] } }]
vars: { store: { required: true } }
`)
  const { status, stdout } = runIn(pod, ['plan', pod.recipe, '--set', 'store=s4://x/y'])
  expect(status).toBe(1)
  expect(stdout.match(/could not read the store URL/g)).toHaveLength(1)
  expect(stdout.match(/recipe\.yaml:2:/g)).toHaveLength(1)
  expect(stdout.match(/did you mean `s3:\/\/x\/y`/g)).toHaveLength(1)
})

test('says once of a store in a directory that it is not there, before a boot and in it', () => {
  const pod = new Pod(`
vars: { store: { required: true } }
boot:
  - id: data
    uses: restore/shared
    with: { to: data, store: "\${{ vars.store }}", archive: pod, directories: [models, nodes] }
  - id: venv
    uses: venv-archive/restore
    with: { directory: venv, store: "\${{ vars.store }}", archive: pod/venv }
shutdown:
  - id: save
    uses: shared-data/save
    with: { from: data, store: "\${{ vars.store }}", archive: pod, directories: [models] }
`)
  const plan = (url: string) => runIn(pod, ['plan', pod.recipe, '--set', `store=${url}`]).stdout
  const url = `file://${pod.directory}/mispelt`
  const missing = `${url} does not exist yet; the first save makes it`
  expect(plan(url).match(/does not exist/g)).toHaveLength(1)
  expect(plan(url)).toContain(`${missing}\n`)
  expect(plan('file:///proc/store')).toContain('no save can make it: /proc: ')
  const { status, stderr } = runIn(pod, ['run', pod.recipe, 'boot', '--set', `store=${url}`])
  expect(status).toBe(0)
  expect(stderr).toMatch(new RegExp(`data +.*${missing}`))
  expect(stderr).toMatch(new RegExp(`venv +.*${missing}`))
})

test('validates without the environment: text for people, JSON and annotations for programs', () => {
  const pod = new Pod(valid)
  writeFileSync(join(pod.directory, 'wrong.yaml'), 'boot:\n  - { id: one, rnu: x }\n')
  expect(runIn(pod, ['validate', 'recipe.yaml'])).toEqual({
    status: 0,
    stdout: '',
    stderr: '✔ recipe.yaml is valid\n',
  })
  const text = runIn(pod, ['validate', 'recipe.yaml', 'wrong.yaml'])
  expect(text.status).toBe(2)
  expect(text.stderr).toContain('at wrong.yaml:2:')
  const json = JSON.parse(
    runIn(pod, ['validate', 'recipe.yaml', 'wrong.yaml', '--format', 'json']).stdout,
  ) as { file: string; problems: { code: string }[] }[]
  expect(json.map(({ file, problems }) => [file, problems.length > 0])).toEqual([
    ['recipe.yaml', false],
    ['wrong.yaml', true],
  ])
  expect(runIn(pod, ['validate', 'wrong.yaml', '--format', 'github']).stdout).toMatch(
    /^::error file=wrong.yaml,line=2,col=\d+,title=recipe\/[a-z-]+::/,
  )
})

test('says which platform this is', () => {
  const pod = new Pod('')
  const facts = JSON.parse(runIn(pod, ['platform', '--json'], { RUNPOD_POD_ID: 'abc' }).stdout) as {
    name: string
  }
  expect(facts.name).toBe('runpod')
  expect(runIn(pod, ['platform'], { RUNPOD_POD_ID: 'abc' }).stdout).toMatch(/^platform +runpod$/m)
})

test('prints a JSON Schema that names the options of the plugins', () => {
  const { stdout, status } = runIn(new Pod(''), ['schema'])
  expect(status).toBe(0)
  const schema = JSON.parse(stdout) as { properties: Record<string, unknown> }
  expect(Object.keys(schema.properties)).toContain('boot')
  expect(stdout).toContain('restore/shared')
})

test('saves, lists, verifies and restores a tree', () => {
  const pod = new Pod('')
  const tree = join(pod.directory, 'tree')
  mkdirSync(join(tree, 'inner'), { recursive: true })
  writeFileSync(join(tree, 'inner/file'), 'content')
  const store = ['--store', `file://${pod.directory}/store`, '--name', 'app/tree']
  const saved = runIn(pod, ['archive', 'save', 'tree', ...store, '--json'])
  expect({ status: saved.status, stderr: saved.stderr }).toMatchObject({ status: 0 })
  expect(JSON.parse(saved.stdout)).toMatchObject({ result: 'saved', generation: 1 })
  expect(runIn(pod, ['archive', 'save', 'tree', ...store]).stdout).toMatch(/^unchanged/)
  expect(
    runIn(pod, ['archive', 'list', '--store', `file://${pod.directory}/store`]).stdout,
  ).toMatch(/^app\/tree {2}generation 1 {2}.* 1 snapshot since /)
  const verified = runIn(pod, ['archive', 'verify', ...store])
  expect(verified).toMatchObject({ status: 0 })
  expect(verified.stdout).toContain('`app/tree` is whole: 1 snapshot, 1 chunk, ')
  expect(runIn(pod, ['archive', 'restore', 'back', ...store])).toMatchObject({ status: 0 })
  expect(readFileSync(join(pod.directory, 'back/inner/file'), 'utf8')).toBe('content')
  const absent = runIn(pod, [
    'archive',
    'restore',
    'none',
    '--store',
    `file://${pod.directory}/store`,
    '--name',
    'nothing',
  ])
  expect(absent).toMatchObject({ status: 1, stdout: '' })
  expect(absent.stderr).toContain('there is no archive `nothing` in ')
  expect(absent.stderr).toContain('such as `app/tree`')
})

test('says which archive is not there, and names the similar ones that are', () => {
  const pod = new Pod('')
  const url = `file://${pod.directory}/store`
  const empty = runIn(pod, ['archive', 'list', '--store', url])
  expect(empty).toMatchObject({ status: 0, stdout: '' })
  expect(empty.stderr).toContain(`there is no archive in ${url}`)
  mkdirSync(join(pod.directory, 'tree'))
  writeFileSync(join(pod.directory, 'tree/file'), 'content')
  expect(runIn(pod, ['archive', 'save', 'tree', '--store', url, '--name', 'lab/tree']).status).toBe(
    0,
  )
  const lab = ['--store', url, '--name', 'lab']
  expect(runIn(pod, ['archive', 'verify', ...lab])).toEqual({
    status: 1,
    stdout: '',
    stderr: `✖ there is no archive \`lab\` in ${url}  archive/missing-snapshot\n  To fix: name one that is there, such as \`lab/tree\`\n`,
  })
  const listed = runIn(pod, ['archive', 'list', '--store', url, '--name', 'lab/tre'])
  expect(listed).toMatchObject({ status: 1, stdout: '' })
  expect(listed.stderr).toContain(`there is no archive \`lab/tre\` in ${url}`)
  const at = ['archive', 'verify', '--store', url, '--name', 'lab/tree', '--at', '00000009']
  expect(runIn(pod, at).stderr).toContain('archive/missing-snapshot')
})

test('finds the pinned Node from where a package manager links it', () => {
  const linked = fileURLToPath(new URL('../../../../node_modules/.bin/berth', import.meta.url))
  expect(spawnSync(linked, ['--version'], { cwd: '/tmp' }).status).toBe(0)
})
