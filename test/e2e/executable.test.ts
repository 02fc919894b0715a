import { execFile, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { requirement } from '@berth/core/testing'
import { startStubS3 } from '@berth/object-store/testing'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import { root } from '../workspace.ts'
import { mayLink, mountProcesses, startLinkingPod, until } from './linking.ts'

const run = promisify(execFile)
const isLinux = process.platform === 'linux' || 'the executable is one for Linux'
const isRoot = process.getuid?.() === 0 ? isLinux : 'chroot needs root'
const test = requirement('root', isRoot)
const built = path.join(root, 'packages/cli/build/dist/berth')
/** A root with nothing but the executable, the libraries that its README names, and an empty folder for temporary files. */
let empty: string

const recipe = `
vars: { store: { env: BERTH_STORE, required: true } }
boot:
  - uses: restore/shared
    with: { to: /pod, store: "\${{ vars.store }}", archive: a, directories: [tree] }
main: { command: [/berth, --version] }
shutdown:
  - uses: shared-data/save
    with: { from: /pod, store: "\${{ vars.store }}", archive: a, directories: [tree] }
`

beforeAll(async () => {
  await run(process.execPath, [path.join(root, 'packages/cli/build/build.ts'), '--executable'])
  empty = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-empty-'))
  fs.copyFileSync(built, path.join(empty, 'berth'))
  for (const library of librariesNamed()) {
    const target = path.join(empty, library)
    fs.mkdirSync(path.dirname(target), { recursive: true })
    fs.copyFileSync(library, target)
  }
  for (const name of ['tmp', 'proc', 'dev']) fs.mkdirSync(path.join(empty, name))
  execFileSync('mknod', [path.join(empty, 'dev/null'), 'c', '1', '3'])
  fs.writeFileSync(path.join(empty, 'recipe.yaml'), recipe)
}, 120_000)

afterAll(() => fs.rmSync(empty, { recursive: true, force: true }))

/** The README's list, where this machine has them. */
function librariesNamed(): string[] {
  const readme = fs.readFileSync(path.join(root, 'images/README.md'), 'utf8')
  const [, names = ''] = /needs of an image:([^]*?)\.\s/.exec(readme) ?? []
  const loaded = execFileSync('ldd', [built], { encoding: 'utf8' })
  return [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => {
    const found = new RegExp(
      `^\\s*(?:${name.replaceAll('+', '\\+')} => )?(/\\S*${name.replaceAll('+', '\\+')}) `,
      'm',
    ).exec(loaded)
    if (found?.[1] === undefined) throw new Error(`the executable does not load ${name}`)
    return found[1]
  })
}

async function inRoot(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  // As a container's runtime would: with its /proc and nothing of the machine's else.
  const enter = 'mount --bind /proc "$0/proc" && exec chroot "$0" /berth "$@"'
  const { stdout, stderr } = await run('unshare', ['--mount', 'sh', '-c', enter, empty, ...args], {
    env: { PATH: process.env['PATH'], BERTH_STATE_DIR: '/tmp/state', ...env },
  })
  return stdout + stderr
}

for (const kind of ['a directory', 'a bucket'])
  test(`boots, saves and restores from ${kind} in a root with nothing else`, async () => {
    const server = await startStubS3()
    onTestFinished(() => server.close())
    const env =
      kind === 'a bucket'
        ? { ...server.env, BERTH_STORE: server.url }
        : { BERTH_STORE: 'file:///store' }
    const pod = path.join(empty, 'pod')
    fs.mkdirSync(path.join(pod, 'tree/deep'), { recursive: true })
    for (let index = 0; index < 200; index++)
      fs.writeFileSync(path.join(pod, `tree/deep/${index}`), `file ${index}\n`.repeat(1000))
    const first = await inRoot(['boot', '/recipe.yaml'], env)
    expect(first).toContain('saved')
    const before = fs.readFileSync(path.join(pod, 'tree/deep/199'), 'utf8')
    fs.rmSync(pod, { recursive: true })
    await inRoot(['boot', '/recipe.yaml'], env)
    expect(fs.readFileSync(path.join(pod, 'tree/deep/199'), 'utf8')).toBe(before)
    fs.rmSync(pod, { recursive: true })
    expect(await inRoot(['archive', 'verify', '--name', 'a/tree'], env)).not.toContain('damaged')
  }, 60_000)

test('links a folder with its watcher, and sends what comes', async () => {
  const server = await startStubS3()
  onTestFinished(() => server.close())
  const env = { ...server.env, BERTH_LINK_DIR: '/tmp/link' }
  fs.mkdirSync(path.join(empty, 'out'))
  await inRoot(['link', '/', '--folder', 'out', '--store', server.url, '--driver', 'watch'], env)
  fs.writeFileSync(path.join(empty, 'out/picture'), 'seen')
  for (let tries = 0; server.objects.size === 0 && tries < 200; tries++) await sleep(100)
  expect([...server.objects.keys()].join()).toContain('picture')
  await inRoot(['unlink', '/', '--folder', 'out'], env)
}, 60_000)

for (const driver of ['s3fs', 'rclone'] as const)
  requirement(driver, isRoot === true ? mayLink(driver) : isRoot)(
    `links folders and buckets with ${driver}, whose keeper is the executable`,
    async () => {
      const pod = await startLinkingPod(built)
      onTestFinished(() => pod.end())
      const { berth, url, store } = pod
      const folder = path.join(pod.root, 'output/alice')
      fs.mkdirSync(folder, { recursive: true })
      fs.writeFileSync(path.join(folder, 'before.bin'), 'before')
      const words = ['link', pod.root, '--user', 'alice', '--store', url, '--driver', driver]
      const linked = berth([...words, '--json'])
      expect(linked.code, linked.stderr).toBe(0)
      expect(JSON.parse(linked.stdout)).toMatchObject({ result: 'done', driver })
      const [{ keeper = 0, daemon = 0 } = {}] = mountProcesses(pod)
      expect(fs.readlinkSync(`/proc/${keeper}/exe`)).toBe(fs.realpathSync(built))
      const content = randomBytes(3_000_000)
      for (let index = 0; index < 5; index++)
        fs.writeFileSync(path.join(folder, `${index}.bin`), content)
      expect(JSON.parse(berth([...words, '--json']).stdout)).toMatchObject({ result: 'unchanged' })
      expect(berth(['mounts', '--wait', '60s']).code).toBe(0)
      process.kill(daemon, 'SIGKILL')
      await until(() => fs.readlinkSync(folder).endsWith('/spool'))
      fs.writeFileSync(path.join(folder, 'meanwhile.bin'), 'meanwhile')
      await until(() => !fs.readlinkSync(folder).endsWith('/spool'), 60_000)
      const other = path.join(pod.root, 'bucket')
      const mounted = berth(['mount-bucket', url, '--driver', driver, '--link', other])
      expect(mounted.code, mounted.stderr).toBe(0)
      expect(fs.readFileSync(path.join(other, 'output/alice/4.bin')).equals(content)).toBe(true)
      const unmounted = berth(['unmount-bucket', '--link', other, '--within', '60s'])
      expect(unmounted.code, unmounted.stderr).toBe(0)
      const ended = berth(['unlink', pod.root, '--user', 'alice', '--within', '60s'])
      expect(ended.code, ended.stderr).toBe(0)
      for (let index = 0; index < 5; index++)
        expect((await store.get(`output/alice/${index}.bin`))?.equals(content)).toBe(true)
      expect((await store.get('output/alice/before.bin'))?.toString()).toBe('before')
      expect((await store.get('output/alice/meanwhile.bin'))?.toString()).toBe('meanwhile')
      expect(mountProcesses(pod)).toEqual([])
    },
    180_000,
  )

/** A step of somebody's own: what it finds of other languages is among its facts. */
const words = `
import { z } from 'zod'
const told = (ask) => { try { return String(ask()) } catch (error) { return error.code } }
const run = async () => ({ result: 'done', facts: {
  day: told(() => new Date(0).toLocaleDateString('de', { timeZone: 'Asia/Tokyo' })),
  thai: told(() => [...new Intl.Segmenter('th', { granularity: 'word' }).segment('สวัสดี')].length),
  sorted: told(() => ['ä', 'z', 'a'].sort(new Intl.Collator('en').compare)),
  latin1: told(() => new TextDecoder('latin1').decode(new Uint8Array([0xe4]))),
  japanese: told(() => new TextDecoder('shift_jis')),
} })
const [inputs, outputs] = [z.strictObject({}), z.record(z.string(), z.string())]
const plan = () => ({ action: 'run', summary: 'says' })
const say = { description: 'Says it.', inputs, outputs, plan, run }
export const plugin = { name: 'words', description: 'Words.', steps: { say } }
`

test('has English and Unicode, and says of another encoding that it has it not', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-words-'))
  const home = path.join(folder, 'node_modules/@acme/words')
  fs.mkdirSync(home, { recursive: true })
  const manifest = { name: '@acme/words', version: '1.0.0', type: 'module', exports: './index.js' }
  fs.writeFileSync(path.join(home, 'package.json'), JSON.stringify(manifest))
  fs.writeFileSync(path.join(home, 'index.js'), words)
  fs.symlinkSync(path.join(root, 'node_modules/zod'), path.join(folder, 'node_modules/zod'))
  fs.writeFileSync(path.join(folder, 'recipe.yaml'), 'boot: [{ uses: "@acme/words/say" }]')
  const env = { ...process.env, BERTH_STATE_DIR: path.join(folder, 'state') }
  const args = ['run', path.join(folder, 'recipe.yaml'), 'boot', '--json']
  const lines = execFileSync(built, args, { encoding: 'utf8', env }).trim().split('\n')
  const events = lines.map((line) => JSON.parse(line) as { type: string; facts?: object })
  expect(events.find(({ type }) => type === 'step:end')?.facts).toEqual({
    day: '1/1/1970',
    thai: '1',
    sorted: 'a,ä,z',
    latin1: 'ä',
    japanese: 'ERR_ENCODING_NOT_SUPPORTED',
  })
})

test('starts under its own name with the arguments of a user only', async () => {
  const child = spawn(built, ['archive', 'nothing'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  child.stderr.on('data', (data: Buffer) => (text += data.toString()))
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(text).toContain('the command `archive nothing` is unknown')
  expect(code).toBe(2)
})
