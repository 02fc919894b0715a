import { mayMount, requirement } from '@berth/core/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import {
  endPod,
  type FaultResult,
  fillCache,
  fillSpool,
  hangDaemon,
  killDaemon,
  revokeKeys,
  stopServer,
} from './faults/fault-cases.ts'
import { FaultWorld, type StatusReads } from './faults/fault-world.ts'
import { mayLink } from './linking.ts'

type Result = FaultResult & Partial<Awaited<ReturnType<typeof endPod>>>
type Case = (world: FaultWorld) => Promise<Result>

const mayMountBoth = [mayLink('s3fs'), mayLink('rclone'), mayMount()].find((may) => may !== true)
const may = mayMountBoth ?? true
const testFault = requirement('fuse', may)

/** The longest first. */
const cases: Record<string, Case> = {
  'rclone: the cache’s disk full': (world) => fillCache(world, 'rclone'),
  's3fs: a daemon that hangs for a minute': (world) => hangDaemon(world, 's3fs'),
  'rclone: a daemon that hangs for a minute': (world) => hangDaemon(world, 'rclone'),
  's3fs: a server that refuses for a minute': (world) => stopServer(world, 's3fs', 'refuse'),
  'rclone: a server that refuses for a minute': (world) => stopServer(world, 'rclone', 'refuse'),
  'watch: a server that refuses for a minute': (world) => stopServer(world, 'watch', 'refuse'),
  's3fs: a server that is silent for a minute': (world) => stopServer(world, 's3fs', 'swallow'),
  'rclone: a server that is silent for a minute': (world) => stopServer(world, 'rclone', 'swallow'),
  'rclone: the spool’s disk full': (world) => fillSpool(world, 'rclone'),
  's3fs: the spool’s disk full': (world) => fillSpool(world, 's3fs'),
  'watch: the folder’s disk full': (world) => fillSpool(world, 'watch'),
  'rclone: keys that are taken away and given back': (world) =>
    revokeKeys(world, 'rclone', 'again'),
  's3fs: keys that are taken away and given back': (world) => revokeKeys(world, 's3fs', 'again'),
  'rclone: keys that others take the place of': (world) => revokeKeys(world, 'rclone', 'others'),
  's3fs: an end without a server': (world) => endPod(world, 's3fs', 'refuses'),
  'rclone: an end without a server': (world) => endPod(world, 'rclone', 'refuses'),
  'watch: an end without a server': (world) => endPod(world, 'watch', 'refuses'),
  'rclone: an end with eight seconds': (world) => endPod(world, 'rclone', 'answers'),
  'rclone: a kill while 1 GB is written': (world) => killDaemon(world, 'rclone'),
  's3fs: a kill while 1 GB is written': (world) => killDaemon(world, 's3fs'),
  's3fs: the cache’s disk full': (world) => fillCache(world, 's3fs'),
}

const atOnce = 10
const results = new Map<string, Result | Error>()
let world: FaultWorld
let reads: StatusReads

beforeAll(async () => {
  if (may !== true) return
  world = await FaultWorld.create()
  world.readStatuses()
  const waiting = Object.entries(cases).values()
  const work = async () => {
    for (const [title, run] of waiting) {
      const result = await run(world).catch((error: unknown) => error as Error)
      results.set(title, result)
      if (!(result instanceof Error)) console.log(title, figures(result))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  reads = await world.endReading()
  console.log('status', JSON.stringify(reads))
}, 400_000)

afterAll(async () => {
  if (may === true) await world.end()
})

for (const title of Object.keys(cases)) {
  testFault(`${title} costs no file that was closed, and in the end all are in the bucket`, () => {
    const result = results.get(title)
    if (result === undefined || result instanceof Error) throw result ?? new Error('it never ran')
    expect(result.lost).toEqual([])
    expect(Object.keys(result.places).filter((place) => !place.startsWith('bucket'))).toEqual([])
    expect(result.written).toBeGreaterThan(20)
    if (result.onVolume === undefined) return
    expect(result.onVolume.lost).toEqual([])
    // Whoever looks at the exit code knows whether everything was sent; what was late may be there a moment after.
    const isAllSent = Object.keys(result.onVolume.places).join() === 'bucket'
    expect(isAllSent ? [0, 1] : [1]).toContain(result.code)
  })
}

testFault('a file that is nowhere counts as lost', async () => {
  const nowhere = { name: 'small-0.bin', bytes: 50_000, sha256: 'of something else' }
  const { lost } = await world.pod({ name: 'kill-s3fs', driver: 's3fs' }).find([nowhere])
  expect(lost).toEqual([nowhere])
})

testFault('through all of this the status answers within 200 ms', () => {
  expect(reads.reads).toBeGreaterThan(100)
  expect(reads.p95).toBeLessThan(200)
})

function figures({ places, lost, failed, onVolume }: Result): string {
  return JSON.stringify({ places, lost: lost.length, failed, atItsEnd: onVolume?.places })
}
