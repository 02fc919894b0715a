import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requirement } from '@berth/core/testing'
import { startStubS3 } from '@berth/object-store/testing'
import { expect, onTestFinished, test } from 'vitest'
import { hasCommand, Pod } from './pod.ts'

const recipes = fileURLToPath(new URL('../../../../recipes/', import.meta.url))
const withProcfs = requirement('procfs', process.platform === 'linux' || 'it needs /proc')
const withPython = requirement('python', hasCommand('python3') || 'it is not installed')

interface Told {
  ok: boolean
  scenarios: {
    scenario: string
    ok: boolean
    skipped?: string
    problems: string[]
    hint?: string
    restored: number
  }[]
}

async function smoke(args: readonly string[], env: NodeJS.ProcessEnv = {}, recipe = 'boot: []') {
  const pod = new Pod(recipe)
  const file = args[0]?.endsWith('.yaml') ? args : [pod.recipe, ...args]
  const run = pod.berth(['smoke', ...file], { TMPDIR: tmpdir(), ...env })
  const { code } = await run.ended
  return { code, stdout: run.stdout, stderr: run.stderr }
}

const scenarios = (...names: string[]): string[] => names.flatMap((name) => ['--scenario', name])
const told = (stdout: string): Told => JSON.parse(stdout) as Told

withProcfs(
  'plays our recipes as platforms would: every pod has what the one before saved',
  async () => {
    const comfyui = smoke([`${recipes}comfyui.yaml`, '--json'])
    const stub = await startStubS3()
    onTestFinished(() => stub.close())
    const bucket = smoke(
      [
        `${recipes}comfyui-s3-output.yaml`,
        '--json',
        '--set',
        `store=${stub.url}`,
        '--set',
        'driver=watch',
        ...scenarios('first boot', 'RunPod, 5 s grace'),
      ],
      stub.env,
    )
    const all = told((await comfyui).stdout)
    expect(all.scenarios.flatMap(({ problems }) => problems)).toEqual([])
    expect(all.scenarios).toHaveLength(7)
    const played = all.scenarios.filter(({ skipped }) => skipped === undefined)
    expect(played.length).toBeGreaterThanOrEqual(5)
    expect(played.slice(1).map(({ restored }) => restored)).toEqual(played.slice(1).map(() => 4))
    expect((await comfyui).code).toBe(0)
    const { stdout, stderr, code } = await bucket
    expect({
      stderr,
      problems: told(stdout).scenarios.flatMap(({ problems }) => problems),
      code,
    }).toEqual({ stderr: '', problems: [], code: 0 })
  },
  180_000,
)

withPython(
  'plays the notebook, whose first pod makes a venv',
  async () => {
    const args = ['--set', 'packages=pip', ...scenarios('first boot', 'new pod')]
    const { stdout, code } = await smoke([`${recipes}notebook.yaml`, ...args])
    expect(stdout).toMatch(/✔ first boot .*\n✔ new pod .*, 3 directories restored\n/)
    expect(code).toBe(0)
  },
  180_000,
)

withPython(
  'makes a venv afresh that a pod saved half made',
  async () => {
    const pod = new Pod('boot: []')
    const half = join(pod.directory, 'half')
    mkdirSync(join(half, 'bin'), { recursive: true })
    writeFileSync(join(half, 'bin', 'python'), '#!/bin/sh\n', { mode: 0o755 })
    const home = join(pod.directory, 'home')
    const env = {
      BERTH_STORE: `file://${pod.directory}/store`,
      NETWORK_VOLUME: home,
      NOTEBOOK_PACKAGES: 'pip',
    }
    const saved = pod.berth(['archive', 'save', half, '--name', 'notebook/venv'], env)
    expect(await saved.ended, saved.stderr).toMatchObject({ code: 0 })
    const command = ['sh', '-c', './venv/bin/pip --version > "$LOG"']
    const next = pod.berth(['boot', `${recipes}notebook.yaml`, '--', ...command], env)
    expect(await next.ended, next.stderr).toMatchObject({ code: 0 })
    expect(pod.log).toEqual([expect.stringContaining(`from ${home}/venv/`)])
  },
  180_000,
)

withProcfs(
  'says what is wrong: a save that fails, a process that stays, a secret that is printed',
  async () => {
    const recipe = `
name: bad
secrets: [KEY_OF_TEST]
boot:
  - { id: orphan, run: 'env -u BERTH_BOOT -u BERTH_PIPELINE setsid sleep 321 > /dev/null 2>&1 & sleep 0.1' }
shutdown:
  - { id: save, run: 'exit 3' }
main: { stop-signal: SIGWINCH, env: { KEY_OF_TEST: "\${{ secrets.KEY_OF_TEST }}" } }
`
    // The end may come before it has printed anything: that signal does not end it.
    const leak = ['--', 'sh', '-c', 'echo "$KEY_OF_TEST"; exit 143']
    const args = [...scenarios('first boot'), '--json', ...leak]
    const { stdout, code } = await smoke(args, {}, recipe)
    expect(code).toBe(1)
    expect(told(stdout).scenarios[0]?.problems).toEqual([
      'the shutdown failed',
      'processes were left behind: sleep 321',
      'the value of KEY_OF_TEST was printed or recorded',
      'save: could not run `save`: it ended with exit code 3',
    ])
  },
  60_000,
)

withProcfs(
  'says of a boot that failed at once that it failed, not that it took too long',
  async () => {
    const args = [...scenarios('first boot'), '--json']
    const { stdout, code } = await smoke(args, {}, "boot: [{ id: broken, run: 'exit 4' }]")
    expect(code).toBe(1)
    expect(told(stdout).scenarios[0]?.problems).toEqual([
      'the boot failed',
      'broken: could not run `broken`: it ended with exit code 4',
    ])
  },
)

test('touches nothing but its own place: refuses what no variable moves, and leaves nothing behind', async () => {
  const fixed = `
boot:
  - { id: venv, uses: venv-archive/restore, with: { directory: /workspace/venv, store: "file:///s", archive: x } }
`
  const refused = await smoke(scenarios('first boot'), {}, fixed)
  expect(refused).toMatchObject({ code: 2, stdout: '' })
  expect(refused.stderr).toContain('cli/smoke-outside')
  const needy = await smoke([], {}, 'vars: { key: { required: true } }\nboot: []')
  expect(needy.stderr).toContain('cli/smoke-needs-value')
  const pod = new Pod(
    'vars: { at: { default: /srv/data } }\nboot: [{ id: a, run: \'echo hi > "$AT/x"\', env: { AT: "${{ vars.at }}" } }]',
  )
  const run = pod.berth(['smoke', pod.recipe, ...scenarios('new pod')], { TMPDIR: pod.directory })
  expect((await run.ended).code).toBe(0)
  expect(readdirSync(pod.directory).toSorted()).toEqual(['log', 'recipe.yaml'])
  expect(readFileSync(pod.logFile, 'utf8')).toBe('')
})

withPython(
  'plays a recipe that pushes a venv, and pushes nothing the second time',
  async () => {
    const pod = new Pod('boot: []')
    pod.write('requirements.txt', 'pip\n')
    const set = ['--set', 'mode=push', '--set', `requirements=${pod.directory}/requirements.txt`]
    const args = [...set, '--json', '--strict', ...scenarios('build', 'build again')]
    const { stdout, code } = await smoke([`${recipes}ci-image.yaml`, ...args])
    expect(told(stdout).scenarios).toMatchObject([
      { scenario: 'build', ok: true, problems: [] },
      { scenario: 'build again', ok: true, problems: [], repeated: 0 },
    ])
    expect(code).toBe(0)
  },
  180_000,
)

withProcfs(
  'says what is wrong with a build, and which scenes a recipe has none of',
  async () => {
    const recipe = `
vars: { tree: { default: /srv/tree }, store: { env: BERTH_STORE, required: true } }
build:
  - { id: make, run: 'mkdir -p "$TREE"; mktemp -p "$TREE"', env: { TREE: "\${{ vars.tree }}" } }
  - id: push
    uses: venv-archive/save
    with: { directory: "\${{ vars.tree }}", store: "\${{ vars.store }}", archive: a/tree }
`
    const wasteful = await smoke(
      ['--json', '--strict', ...scenarios('build', 'build again')],
      {},
      recipe,
    )
    expect(told(wasteful.stdout).scenarios).toMatchObject([
      { scenario: 'build', ok: true, problems: [] },
      { ok: false, problems: ['`push` did its work again, where nothing had changed'] },
    ])
    expect(wasteful.code).toBe(1)
    const lenient = await smoke([], {}, recipe)
    expect(lenient.stdout).toMatch(
      /^✔ build .*\n⚠ build again .*\n +⚠ `push` did its work again.*\n✔ build elsewhere .*\n[✔–] build, no FUSE .*\n$/,
    )
    expect(lenient.code).toBe(0)
    const alone = await smoke(scenarios('build again'), {}, recipe)
    expect(alone.stdout).toMatch(/– build again +no build before it ended well/)
    const pod = await smoke(scenarios('new pod'), {}, recipe)
    expect(pod).toMatchObject({ code: 2, stdout: '' })
    expect(pod.stderr).toContain('has nothing to boot or to shut down in this recipe')
    const bake = await smoke([`${recipes}ci-image.yaml`, '--json', ...scenarios('build')])
    expect(told(bake.stdout).scenarios[0]?.problems).toEqual([
      'the build failed',
      expect.stringMatching(/^bake: could not restore `comfyui\/venv`: .* has no such archive$/),
    ])
    expect(told(bake.stdout).scenarios[0]?.hint).toContain('`--set mode=push`')
    const nothing = await smoke([], {}, 'name: nothing')
    expect(nothing).toMatchObject({ code: 2, stdout: '' })
    expect(nothing.stderr).toContain('has nothing to boot or to build')
  },
  120_000,
)
