import { randomBytes } from 'node:crypto'
import {
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { SEGMENT_BYTES, SEGMENT_FRAME_BYTES } from '../format/format.ts'
import { saveTree } from '../index.ts'
import { fillStaging } from './restore-tree.ts'
import { readSnapshot } from '../snapshots/snapshots.ts'
import type { Staging } from './staging.ts'
import { newDirectory } from '../testing.ts'

/** A staging directory as a cut restore left it. */
function leftStaging(directory: string, finished: readonly number[]): Staging & { done: number[] } {
  mkdirSync(join(directory, 'tree'), { recursive: true })
  const done: number[] = []
  return {
    tree: join(directory, 'tree'),
    directory,
    continued: true,
    finished: new Set(finished),
    finish: (chunk) => void done.push(chunk),
    done,
    [Symbol.dispose]: () => {},
  }
}

async function saveOne(name: string, content: Buffer) {
  const base = newDirectory()
  mkdirSync(join(base, 'tree'))
  writeFileSync(join(base, 'tree', name), content)
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const options = { store, name: 'test/tree' }
  await saveTree({ ...options, directory: join(base, 'tree') })
  const manifest = await readSnapshot(store, options.name, '00000001')
  const destination = { named: join(base, 'tree'), real: join(base, 'tree') }
  return { base, options, manifest, destination }
}

test('a long file that a cut restore left wrong comes back right, holes included', async () => {
  const base = newDirectory()
  mkdirSync(join(base, 'tree'))
  const path = join(base, 'tree', 'sparse')
  const fd = openSync(path, 'w')
  truncateSync(path, 12_000_000)
  writeSync(fd, 'in the middle', 5_000_000)
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const options = { store, name: 'test/tree' }
  await saveTree({ ...options, directory: join(base, 'tree') })
  const manifest = await readSnapshot(store, options.name, '00000001')
  const destination = { named: join(base, 'tree'), real: join(base, 'tree') }
  const staging = leftStaging(join(base, 'staging'), [])
  writeFileSync(join(staging.tree, 'sparse'), Buffer.alloc(9_000_000, 'of another object'))
  await fillStaging({ options, manifest, destination, staging })
  expect(readFileSync(join(staging.tree, 'sparse')).equals(readFileSync(path))).toBe(true)
})

test('a long file of one object is written in frames, and only what was not finished is fetched again', async () => {
  const content = randomBytes(SEGMENT_BYTES + SEGMENT_FRAME_BYTES + 1)
  const { base, options, manifest, destination } = await saveOne('long', content)
  // Whichever of the two was stored first.
  const whole = manifest.chunks.findIndex(
    ({ frames }) => frames.length === SEGMENT_BYTES / SEGMENT_FRAME_BYTES,
  )
  expect(manifest.chunks.map(({ frames }) => frames.length).toSorted()).toEqual([
    2,
    SEGMENT_BYTES / SEGMENT_FRAME_BYTES,
  ])
  const first = leftStaging(join(base, 'first'), [])
  await fillStaging({ options, manifest, destination, staging: first })
  expect(first.done.toSorted()).toEqual([0, 1])
  expect(readFileSync(join(first.tree, 'long')).equals(content)).toBe(true)
  const second = leftStaging(join(base, 'second'), [whole])
  writeFileSync(join(second.tree, 'long'), content.subarray(0, SEGMENT_BYTES))
  await fillStaging({ options, manifest, destination, staging: second })
  expect(second.done).toEqual([1 - whole])
  expect(readFileSync(join(second.tree, 'long')).equals(content)).toBe(true)
  expect(statSync(join(second.tree, 'long')).mode & 0o777).toBe(0o644)
})
