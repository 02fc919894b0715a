import { randomFillSync } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { restoreTree } from '@berth/archive'
import { hasVenv, requirement } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { type S3Server, missingS3Server, startS3Server } from '@berth/object-store/testing'
import { expect, onTestFinished } from 'vitest'
import { type Listing, compareListings, listTree } from '../demo/listing.ts'
import { roomiestParent } from './fresh-files.ts'
import { type Jitter, startJitteryProxy } from './jittery-proxy.ts'
import { DIRECTORIES, Home, RunningPod, fillDisk } from './running-pod.ts'

const NODES = 'ComfyUI/custom_nodes'
const UNITS = { [NODES]: 250, '.cache': 150 }
const COUNT = 400
const UNIT_BYTES = 5e6
const BYTES_PER_SECOND = 30e6
const APP = [
  'sh',
  '-c',
  'trap "exit 0" TERM; echo app is "ready now" >&2; while :; do sleep 0.05; done',
]

const python = hasVenv()
const test = requirement(python === true ? 's3' : 'python', missingS3Server() ?? python)

/** 2 GB of what nothing compresses, as images and models are: units that each are of use alone. */
function writeUnits(home: Home): void {
  const bytes = Buffer.alloc(UNIT_BYTES / 2)
  for (const [directory, count] of Object.entries(UNITS)) {
    for (let unit = 0; unit < count; unit += 1) {
      const folder = home.at(`${directory}/unit-${unit}`)
      fs.mkdirSync(folder)
      for (const part of [1, 2])
        fs.writeFileSync(path.join(folder, `part-${part}`), randomFillSync(bytes))
    }
  }
}

/** The newest snapshot of every directory, each restored on its own. */
async function readArchives(s3: S3Server, parent: string): Promise<Listing> {
  const url = s3.url.replace(s3.endpoint, s3.directEndpoint)
  const store = await openStore(url, { env: s3.env })
  for (const directory of DIRECTORIES) {
    const at = path.join(parent, directory)
    await restoreTree({ store, name: `comfyui/${directory}`, directory: at })
  }
  await store.close()
  const listing = listTree(parent, DIRECTORIES)
  fs.rmSync(parent, { recursive: true })
  return listing
}

/** Units that are there, and are whole; one of which only a part is there fails the test. */
function wholeUnits(saved: Listing, disk: Listing): string[] {
  return Object.entries(UNITS).flatMap(([directory, count]) =>
    Array.from({ length: count }, (_, unit) => `${directory}/unit-${unit}`).filter((unit) => {
      const of = (listing: Listing) =>
        new Map([...listing].filter(([name]) => name.startsWith(`${unit}/`)))
      const found = of(saved)
      if (found.size > 0) expect(compareListings(of(disk), found)).toEqual([])
      return found.size > 0
    }),
  )
}

interface Late {
  names: string[]
  count: number
}

/** What the shutdown says that it did not save, of each directory of which it saved a part. */
function lateUnits(said: string): Map<keyof typeof UNITS, Late> {
  const found = new Map<keyof typeof UNITS, Late>()
  for (const directory of Object.keys(UNITS) as (keyof typeof UNITS)[]) {
    const lines = said.split('\n').filter((line) => line.includes(` ${directory}: `))
    const [listed = ''] = lines.flatMap(
      (line) => /there was no time to save (.*?) \(/.exec(line)?.[1] ?? [],
    )
    const names = [...listed.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
    const [, more = 0] = /and (\d+) more$/.exec(listed) ?? []
    if (names.length > 0) found.set(directory, { names, count: names.length + Number(more) })
  }
  return found
}

test('a pod with 2 GB of new files and 1, 3 or 8 seconds saves whole units in time, and the rest at the next stop', async () => {
  const s3 = await startS3Server()
  onTestFinished(() => s3.close())
  const jitter: Jitter = {}
  const proxy = await startJitteryProxy(s3.directEndpoint, jitter)
  onTestFinished(() => proxy.close())
  const home = new Home(roomiestParent())
  const env = { BERTH_STORE: s3.url.replace(s3.endpoint, proxy.endpoint), ...s3.env }
  const live = async (
    grace: string,
    act: () => void,
  ): Promise<{ code: number | null; stopMs: number; said: string }> => {
    const pod = new RunningPod({ home, env, command: APP, grace })
    await pod.says('app is ready now')
    act()
    // A machine that stands still for a while does so for the pod, too.
    const stall = monitorEventLoopDelay()
    stall.enable()
    const { code, stopMs } = await pod.stop()
    stall.disable()
    return { code, stopMs: stopMs - Math.round(stall.max / 1e6), said: pod.output }
  }
  fillDisk(home)
  const packages = fs.globSync(home.at('venv/lib/*/site-packages'))[0] ?? ''
  const setting = (value: string): void => {
    fs.writeFileSync(home.at('.comfyui/settings'), value)
    fs.writeFileSync(path.join(packages, 'installed.py'), value)
  }
  const first = await live('60s', () => setting('first'))
  expect(first.code, first.said).toBe(0)
  writeUnits(home)
  let most = 0
  for (const seconds of [1, 3, 8]) {
    jitter.bytesPerSecond = BYTES_PER_SECOND
    const end = await live(`${seconds}s`, () => setting(`within ${seconds} s`))
    delete jitter.bytesPerSecond
    expect(end.stopMs, end.said).toBeLessThan(seconds * 1000)
    // What is not all saved is not called a success.
    expect(end.code, end.said).toBe(1)
    const disk = listTree(home.disk, DIRECTORIES)
    const units = wholeUnits(await readArchives(s3, path.join(home.path, 'check')), disk)
    console.log(
      `${seconds} s: ended after ${end.stopMs} ms, ${units.length} of ${COUNT} units saved`,
    )
    for (const [directory, late] of lateUnits(end.said)) {
      // What is named was not saved, and what was not saved is named or counted.
      const named = late.names.filter((name) => units.includes(`${directory}/${name}`))
      const saved = units.filter((unit) => unit.startsWith(`${directory}/unit-`)).length
      expect(named).toEqual([])
      expect(late.count).toBeGreaterThanOrEqual(UNITS[directory] - saved)
    }
    // What an earlier shutdown saved stays saved.
    expect(units.length).toBeGreaterThanOrEqual(most)
    most = units.length
  }
  const rest = await live('120s', () => setting('last'))
  expect(rest.code, rest.said).toBe(0)
  const disk = listTree(home.disk, DIRECTORIES)
  home.wipe()
  await live('60s', () =>
    expect(compareListings(disk, listTree(home.disk, DIRECTORIES))).toEqual([]),
  )
}, 400_000)
