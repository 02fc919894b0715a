import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { hasVenv, requirement } from '@berth/core/testing'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { expect, onTestFinished } from 'vitest'
import { compareListings, listTree } from '../demo/listing.ts'
import { root } from '../workspace.ts'
import { generations, namespaces } from './container.ts'
import { roomiestParent, writeMixedGigabyte, writeRandomGigabyte } from './fresh-files.ts'
import { measureInQuiet } from './quiet.ts'
import {
  APP_EXIT_CODE,
  DIRECTORIES,
  Home,
  RunningPod,
  type PodSettings,
  fillDisk,
} from './running-pod.ts'

const GRACE_MS = 10_000
const isContainer = namespaces()
const machine = isContainer === true ? hasVenv() : isContainer
const test = requirement(isContainer === true ? 'python' : 'unshare', machine)
const testS3 = requirement('s3', missingS3Server() ?? machine)
const testTini = requirement('tini', machine === true ? tini() : machine)

function tini(): true | string {
  try {
    execFileSync('tini', ['--version'])
    return true
  } catch {
    return 'tini is not installed'
  }
}

function boot(settings: PodSettings): RunningPod {
  return new RunningPod({ isContainer: true, ...settings })
}

testS3(
  'an app that answers from its venv is stopped, saved to S3 and back on two more pods',
  async () => {
    const s3 = await startS3Server()
    onTestFinished(() => s3.close())
    const home = new Home()
    const env = { BERTH_STORE: s3.url, ...s3.env }
    fillDisk(home)
    const live = async (act: (pod: RunningPod) => Promise<void>): Promise<void> => {
      const pod = boot({ home, env, command: home.app() })
      await act(pod)
      const end = await pod.stop()
      expect(end.code, pod.output).toBe(APP_EXIT_CODE)
      expect(end.stopMs).toBeLessThan(GRACE_MS)
      console.log(`S3: from SIGTERM to the end ${end.stopMs} ms`)
    }
    await live(async (pod) => void (await pod.ask('/')))
    const left = listTree(home.disk, DIRECTORIES)
    home.wipe()
    await live(async (pod) => {
      expect(JSON.parse(await pod.ask('/'))).toEqual({ prefix: home.at('venv'), module: 'first' })
      expect(compareListings(left, listTree(home.disk, DIRECTORIES))).toEqual([])
      await pod.ask('/.comfyui/of-a-user.json', '{"made": "on pod 2"}')
    })
    home.wipe()
    await live(async (pod) => {
      expect(await pod.ask('/.comfyui/of-a-user.json')).toBe('{"made": "on pod 2"}')
    })
  },
  60_000,
)

test('an app that ignores SIGTERM is killed at half of the grace, and what it wrote last is saved', async () => {
  const home = new Home()
  fillDisk(home)
  const pod = boot({ home, command: home.app('deaf'), grace: '5s' })
  await pod.ask('/.comfyui/last', 'words')
  const end = await pod.stop()
  expect(end.code, pod.output).toBe(137)
  expect(end.stopMs).toBeGreaterThan(2_500)
  expect(end.stopMs).toBeLessThan(5_000)
  console.log(`deaf: from SIGTERM to the end ${end.stopMs} ms of 5000`)
  const left = listTree(home.disk, DIRECTORIES)
  home.wipe()
  const next = boot({ home, command: home.app() })
  expect(await next.ask('/.comfyui/last')).toBe('words')
  expect(compareListings(left, listTree(home.disk, DIRECTORIES))).toEqual([])
}, 60_000)

testTini('ten grandchildren that an app leaves behind become no zombies', async () => {
  const home = new Home()
  fillDisk(home)
  const pod = boot({ home, command: home.app() })
  const found = JSON.parse(await pod.ask('/orphans')) as unknown
  expect(found).toEqual({ init: 'tini', adopted: 10, zombies: 0 })
  expect((await pod.stop()).code, pod.output).toBe(APP_EXIT_CODE)
})

test('a gigabyte that nothing can compress, written just before SIGTERM, is saved within the grace', async () => {
  const home = new Home(roomiestParent())
  await saveInTime(home, 'random', writeRandomGigabyte)
  const left = listTree(home.disk, DIRECTORIES)
  home.wipe()
  await bootAgain(home, 'random')
  expect(compareListings(left, listTree(home.disk, DIRECTORIES))).toEqual([])
}, 300_000)

test('a gigabyte of all sorts is saved within the grace; a restore of it that SIGTERM cuts leaves nothing half-made', async () => {
  const home = new Home(roomiestParent())
  await saveInTime(home, 'mixed', writeMixedGigabyte)
  const left = listTree(home.disk, DIRECTORIES)
  const before = listTree(home.store, ['.'])
  home.wipe()
  const cut = boot({ home, command: home.app() })
  await cut.until(() => bytesStaged(home) > 1e8)
  const end = await cut.stop()
  expect(end.code, cut.output).toBe(143)
  expect(end.stopMs).toBeLessThan(GRACE_MS / 2)
  expect(bytesStaged(home), 'seen cut in the middle').toBeLessThan(9e8)
  expect(fs.existsSync(home.at('.cache'))).toBe(false)
  expect(cut.output).toContain('cancelling the boot')
  expect(compareListings(before, listTree(home.store, ['.']))).toEqual([])
  console.log(`cut restore: from SIGTERM to the end ${end.stopMs} ms`)
  await bootAgain(home, 'mixed')
  expect(compareListings(left, listTree(home.disk, DIRECTORIES))).toEqual([])
}, 300_000)

async function saveInTime(home: Home, kind: string, write: (directory: string) => void) {
  const save = async () => {
    fs.rmSync(home.store, { recursive: true, force: true })
    home.wipe()
    fillDisk(home)
    const pod = boot({ home, command: home.app() })
    await pod.ask('/')
    write(home.at('.cache/fresh'))
    return { ...(await pod.stop()), output: pod.output, saved: generations(home.store) }
  }
  const { code, stopMs, output, saved } = await measureInQuiet(save, (end) => '.cache' in end.saved)
  expect(code, output).toBe(APP_EXIT_CODE)
  expect(stopMs).toBeLessThan(GRACE_MS)
  expect(saved, output).toMatchObject({ venv: 1, '.cache': 1 })
  console.log(`1 GB ${kind} in ${home.path}: from SIGTERM to the end ${stopMs} ms`)
}

async function bootAgain(home: Home, kind: string): Promise<void> {
  const pod = boot({ home, command: home.app() })
  await pod.ask('/')
  expect(pod.output).toContain('.cache: unpacked')
  console.log(`1 GB ${kind}: from the start to main ${Math.round(pod.bootMs)} ms`)
  expect((await pod.stop()).code, pod.output).toBe(APP_EXIT_CODE)
}

/** Allocated, because a long file has its full size from the start. */
function bytesStaged(home: Home): number {
  const trees = home.at('.berth/trees/.cache')
  try {
    const names = fs.readdirSync(trees, { recursive: true, encoding: 'utf8' })
    const blocks = names.map(
      (name) => fs.lstatSync(path.join(trees, name), { throwIfNoEntry: false })?.blocks ?? 0,
    )
    return 512 * blocks.reduce((sum, count) => sum + count, 0)
  } catch {
    return 0
  }
}

const DAMAGES: [what: string, damage: (chunk: string) => void][] = [
  ['is gone', (chunk) => fs.rmSync(chunk)],
  [
    'has a flipped bit',
    (chunk) => {
      const bytes = fs.readFileSync(chunk)
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
      fs.writeFileSync(chunk, bytes)
    },
  ],
]

for (const [what, damage] of DAMAGES) {
  test(`where a chunk of the venv ${what}, an app that goes on with a new venv does not become the newest generation`, async () => {
    const home = new Home()
    fillDisk(home)
    const first = boot({ home, command: home.app() })
    await first.ask('/')
    await first.stop()
    const [chunk = ''] = chunksOf(home, 'venv')
    const whole = fs.readFileSync(chunk)
    damage(chunk)
    const left = listTree(home.disk, ['venv'])
    const snapshots = listTree(home.store, ['snapshots/comfyui/venv'])
    home.wipe()
    const recipe = variant(home, 'on-boot-failure: continue')
    const remake = `python3 -m venv --without-pip venv; touch venv/new made`
    const wait = 'while :; do sleep 0.05; done'
    const script = `trap 'exit 0' TERM; cd "$NETWORK_VOLUME"; echo > .comfyui/note; ${remake}; ${wait}`
    const command = ['sh', '-c', script]
    const pod = boot({ home, recipe, command })
    await pod.until(() => fs.existsSync(home.at('made')))
    const end = await pod.stop()
    expect(end.code, pod.output).toBe(1)
    expect(pod.output).toContain(
      what === 'is gone' ? 'archive/missing-chunk' : 'archive/corrupt-chunk',
    )
    expect(pod.output).toContain('archive/incomplete-restore')
    expect(compareListings(snapshots, listTree(home.store, ['snapshots/comfyui/venv']))).toEqual([])
    expect(generations(home.store)).toMatchObject({ venv: 1, '.comfyui': 2, '.cache': 1 })
    fs.writeFileSync(chunk, whole)
    const next = boot({ home, command: home.app() })
    expect(JSON.parse(await next.ask('/'))).toMatchObject({ module: 'first' })
    expect(compareListings(left, listTree(home.disk, ['venv']))).toEqual([])
    const [, aside = ''] = /venv: what was there is now at (\S+)/.exec(next.output) ?? []
    expect(fs.existsSync(path.join(aside, 'new')), next.output).toBe(true)
  }, 60_000)
}

/** recipes/comfyui.yaml with something else. */
function variant(home: Home, text: string): string {
  const file = path.join(home.path, 'variant.yaml')
  fs.writeFileSync(file, `extends: ${root}/recipes/comfyui.yaml\n${text}\n`)
  return file
}

test('SIGTERM before the restore began saves nothing of the image over the archive', async () => {
  const home = new Home()
  fillDisk(home)
  await boot({ home, command: ['true'] }).ended
  const left = listTree(home.disk, DIRECTORIES)
  const before = listTree(home.store, ['.'])
  home.wipe()
  fillDisk(home, 'of the image')
  const begun = path.join(home.path, 'begun')
  const slow = `{ id: volume, run: 'touch ${begun}; sleep 60', outputs: [path] }`
  const recipe = variant(home, `boot: [${slow}]`)
  const cut = boot({ home, recipe, command: home.app() })
  await cut.until(() => fs.existsSync(begun))
  expect((await cut.stop()).code, cut.output).toBe(143)
  expect(cut.output).toContain('venv: skipped (the boot ended before it was put in place')
  expect(compareListings(before, listTree(home.store, ['.'])), cut.output).toEqual([])
  const next = boot({ home, command: home.app() })
  expect(JSON.parse(await next.ask('/')), next.output).toMatchObject({ module: 'first' })
  expect(compareListings(left, listTree(home.disk, DIRECTORIES))).toEqual([])
}, 60_000)

/** What the first snapshot of an archive consists of. */
function chunksOf(home: Home, archive: string): string[] {
  const manifest = fs.readFileSync(`${home.store}/snapshots/comfyui/${archive}/@/00000001.json.zst`)
  const names =
    zstdDecompressSync(manifest)
      .toString()
      .match(/\b[0-9a-f]{64}\b/g) ?? []
  return names.map((name) => {
    const folder = path.join(home.store, 'chunks', name.slice(0, 2))
    const file = fs.readdirSync(folder).find((other) => other.startsWith(name)) ?? ''
    return path.join(folder, file)
  })
}

test('a second SIGTERM kills the app at once and skips the copy; the save still runs', async () => {
  const home = new Home()
  fillDisk(home)
  const volume = path.join(home.path, 'volume')
  fs.mkdirSync(volume)
  const env = { _NETWORK_VOLUME: volume }
  const pod = boot({ home, env, command: home.app('deaf'), grace: '30s' })
  await pod.ask('/')
  pod.signal('SIGTERM')
  await pod.says('SIGTERM: stopping main')
  const end = await pod.stop()
  expect(end.code, pod.output).toBe(137)
  expect(end.stopMs).toBeLessThan(GRACE_MS)
  console.log(`two SIGTERMs: from the first to the end ${end.stopMs} ms of 30000`)
  expect(pod.output).toContain('SIGTERM: again: skipping what is optional')
  expect(generations(home.store)).toMatchObject({ venv: 1, '.comfyui': 1, '.cache': 1 })
  expect(fs.existsSync(path.join(volume, 'venv')), pod.output).toBe(false)
})
