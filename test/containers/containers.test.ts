import * as fs from 'node:fs'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import { startS3Server } from '@berth/object-store/testing'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import { containers, Engine } from './engine.ts'
import { compareEntrypoints } from './compare-entrypoints.ts'
import { documentedScript } from './documented.ts'
import { page, withTable } from './entrypoints-page.ts'
import { buildPlain, DOCKERFILE, makeFolder } from './scene.ts'

const reason = containers()
const test = requirement('containers', reason)
let engine: Engine
let context: string

beforeAll(async () => {
  if (reason !== true) return
  engine = new Engine()
  context = await buildPlain(engine)
}, 240_000)

afterAll(() => engine?.close())

/** A container with a store that outlives it, and its own disk. */
function inStore(store: string): { mounts: Record<string, string>; env: Record<string, string> } {
  return { mounts: { [store]: '/store' }, env: { BERTH_STORE: 'file:///store' } }
}

test('the base is at most 36 MB to pull, as it is pushed by default', async () => {
  const gzip = await engine.pushedBytes('berth/base')
  const zstd = ['--compression-format', 'zstd', '--compression-level', '19']
  const least = await engine.pushedBytes('berth/base', ...zstd)
  const [now, best] = [gzip, least].map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`)
  console.log(`berth/base: ${now} with gzip, ${best} with zstd -19`)
  expect(gzip).toBeLessThan(36e6)
  expect(least).toBeLessThan(gzip)
}, 120_000)

/** How a container may be started: `options` for podman, `command` in it, and who is its first process then. */
const app = ['python3', '/app/app.py']
const boot = 'berth boot /etc/berth/recipe.yaml --'
const places = {
  'under its tini': { options: [], command: app, init: 'init tini' },
  'as PID 1': {
    options: ['--entrypoint', JSON.stringify(boot.split(' '))],
    command: app,
    init: 'init tini',
  },
  'under --init': {
    options: ['--init', '--init-path', '/usr/bin/tini-static'],
    command: app,
    init: 'init ',
  },
  'as a child of a shell': {
    options: ['--entrypoint', 'sh'],
    command: ['-c', `trap 'kill -TERM $!' TERM; ${boot} ${app.join(' ')} & wait $!; wait $!`],
    init: 'init sh',
  },
}

for (const [title, { init, ...how }] of Object.entries(places))
  test(`one recipe lives ${title}: reaped, stopped within 5 s, saved, and back in the next container`, async () => {
    const store = inStore(makeFolder(engine, 'store'))
    const pod = () => engine.start({ image: 'plain', ...how, ...store })
    const first = pod()
    const log = await first.says('serving')
    expect(log).toContain(`zombies 0, ${init}`)
    expect(log).toContain('before ;')
    expect(await first.stop(5), await first.logs()).toBe(7)
    const second = pod()
    await second.says('before word;')
    await second.signal('KILL')
    expect(await second.ended()).toBe(137)
    const third = pod()
    expect(await third.says('serving')).toContain('before word;')
    await third.signal('KILL')
  }, 120_000)

test('one recipe lives in a RUN of a build', async () => {
  const log = await engine.build({
    tag: 'built',
    dockerfile: DOCKERFILE,
    context,
    target: 'built',
    args: { RUN_ID: '1' },
  })
  expect(log).toMatch(/zombies 0.*before ;/)
  expect(log).toContain('exit code 0')
  const next = engine.start({ image: 'built', env: { BERTH_STORE: 'file:///store' } })
  await next.says('before word')
  await next.signal('KILL')
}, 120_000)

test('without bash and ps, with a read-only root, as another user, without a terminal: works', async () => {
  await engine.build({ tag: 'bare', dockerfile: DOCKERFILE, context, target: 'bare' })
  const store = inStore(makeFolder(engine, 'store'))
  const disk = makeFolder(engine, 'disk')
  const options = ['--read-only', '--user', '12345:12345']
  const mounts = { ...store.mounts, [disk]: '/pod' }
  const env = { ...store.env, NO_COLOR: '1' }
  const first = engine.start({ image: 'bare', options, mounts, env })
  expect(await first.says('serving')).toContain('zombies 0')
  expect(await first.stop(10), await first.logs()).toBe(7)
  expect(await first.logs()).not.toContain('\u001b')
  fs.rmSync(path.join(disk, 'tree'), { recursive: true })
  const second = engine.start({ image: 'bare', options, mounts, env })
  expect(await second.says('serving')).toContain('before word')
  await second.signal('KILL')
}, 120_000)

test('with nothing that can be written, says so before anything runs', async () => {
  const store = inStore(makeFolder(engine, 'store'))
  const options = ['--read-only', '--read-only-tmpfs=false', '--user', '12345:12345']
  const pod = engine.start({ image: 'plain', options, ...store })
  expect(await pod.ended()).toBe(2)
  expect(await pod.logs()).toContain('cli/no-state-directory')
}, 60_000)

for (const [file, shell, run] of [
  ['.github/workflows/venv.yaml', 'bash', 'GITHUB_RUN_ID'],
  ['.gitlab-ci.yml', 'sh', 'CI_JOB_ID'],
] as const)
  test(`${file} pushes a venv and bakes it, and no layer has the key`, async () => {
    const server = await startS3Server()
    onTestFinished(() => server.close())
    const env = { ...server.env, BERTH_STORE: server.url, [run]: `${process.pid}-${file}` }
    const log = await engine.script(shell, documentedScript(file), { folder: context, env })
    expect(log).toMatch(/push +✔ generation 1/)
    expect(log).toMatch(/bake +✔ generation 1/)
    for (const image of ['my-app-push', 'my-app']) {
      expect(engine.filesWith(image, ['name: ci-image']), 'layers can be read').toHaveLength(1)
      expect(engine.filesWith(image, Object.values(server.env)), image).toEqual([])
    }
    // Its venv is there without a store.
    const baked = engine.start({
      image: 'my-app',
      command: ['/workspace/venv/bin/python', '-c', 'import sys; print("prefix", sys.prefix)'],
      env: { BERTH_STORE: 'file:///nowhere' },
    })
    await baked.says('prefix /workspace/venv')
    if (shell === 'bash') await liveWithComfyUi({ ...server.env, BERTH_STORE: server.url })
  }, 240_000)

/** A pod that restores what CI pushed, and another that restores what the first left. */
async function liveWithComfyUi(storeEnv: NodeJS.ProcessEnv): Promise<void> {
  await engine.build({ tag: 'comfyui', dockerfile: 'images/comfyui/Dockerfile', context })
  const env = { ...(storeEnv as Record<string, string>), WORDS: '/workspace/.cache/words' }
  const first = engine.start({ image: 'comfyui', env })
  expect(await first.says('serving')).toContain('prefix /workspace/venv, zombies 0')
  expect((await first.exec('berth', 'status', '--probe', 'ready')).code).toBe(0)
  expect((await engine.ask('healthcheck', 'run', first.name)).code).toBe(0)
  expect(await first.stop(10), await first.logs()).toBe(7)
  const second = engine.start({ image: 'comfyui', env })
  await second.says('before word;')
  await second.signal('KILL')
}

test('a notebook pod makes its venv, and the next one has it', async () => {
  await engine.build({ tag: 'notebook', dockerfile: 'images/notebook/Dockerfile', context })
  const store = inStore(makeFolder(engine, 'store'))
  const env = { ...store.env, NOTEBOOK_PACKAGES: 'pip', WORDS: '/workspace/notebooks/words' }
  const mounts = { ...store.mounts, [path.join(context, 'app.py')]: '/app.py' }
  const command = ['/workspace/venv/bin/python', '/app.py']
  const first = engine.start({ image: 'notebook', command, env, mounts })
  await first.says('serving')
  expect(await first.stop(30), await first.logs()).toBe(7)
  const second = engine.start({ image: 'notebook', command, env, mounts })
  const log = await second.says('before word;')
  expect(log).toContain('prefix /workspace/venv')
  expect(log).not.toContain('Collecting')
  await second.signal('KILL')
}, 120_000)

test('the page of entrypoints says what is so', async () => {
  const text = fs.readFileSync(page, 'utf8')
  const now = withTable(text, await compareEntrypoints(engine))
  expect(now, 'run `node test/containers/write-entrypoints.ts`').toBe(text)
}, 180_000)
