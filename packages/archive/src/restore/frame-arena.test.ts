import { expect, test } from 'vitest'
import { FrameArena, type FrameBlock } from './frame-arena.ts'

test('gives no more than it has; who wants more waits for what is given back, first come, first served', async () => {
  const arena = new FrameArena(100)
  const blocks = [arena.take(40), arena.take(40)] as FrameBlock[]
  const got: string[] = []
  const large = Promise.resolve(arena.take(60)).then((block) => (got.push('large'), block))
  const small = Promise.resolve(arena.take(10)).then((block) => (got.push('small'), block))
  await new Promise((resolve) => setImmediate(resolve))
  expect(got).toEqual([])
  blocks[1]?.release()
  const taken = await large
  expect(got).toEqual(['large'])
  blocks[0]?.release()
  await small
  expect(taken.bytes.byteLength).toBe(60)
})

test('never gives a byte to two at once, whatever the order in which they are given back', () => {
  const arena = new FrameArena(1000)
  const held: FrameBlock[] = []
  for (let round = 0; round < 2000; round++) {
    const size = 1 + ((round * 7919) % 97)
    const block = held.length < 8 ? arena.take(size) : undefined
    if (block !== undefined && !(block instanceof Promise)) {
      const start = block.bytes.byteOffset
      for (const { bytes } of held)
        expect(start + size <= bytes.byteOffset || start >= bytes.byteOffset + bytes.length).toBe(
          true,
        )
      held.push(block)
    } else held.splice((round * 31) % held.length, 1)[0]?.release()
  }
  for (const block of held) block.release()
  expect(arena.take(1000)).not.toBeInstanceOf(Promise)
})

test('gives a block back once only', () => {
  const arena = new FrameArena(10)
  const first = arena.take(10) as FrameBlock
  first.release()
  expect(arena.take(10)).not.toBeInstanceOf(Promise)
  first.release()
  expect(arena.take(1)).toBeInstanceOf(Promise)
})

test('refuses whoever waits when it is stopped, and more than it has', async () => {
  const arena = new FrameArena(10)
  arena.take(10)
  const waiting = arena.take(1)
  arena.stop(new Error('over'))
  await expect(waiting).rejects.toThrow('over')
  expect(() => arena.take(11)).toThrow(RangeError)
})
