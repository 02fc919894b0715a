import { randomBytes } from 'node:crypto'
import { isBerthError } from '@berth/core/error'
import { expect, test } from 'vitest'
import { decompressFrame } from './frame.ts'
import { compressFrame } from './frame-encoder.ts'

const samples: [title: string, raw: Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('x')],
  ['zeros', Buffer.alloc(1 << 20)],
  ['bytes that nothing can compress', randomBytes(1 << 20)],
]

test.each(samples)('%s come back from either level', (_, raw) => {
  for (const level of ['fast', 'normal'] as const) {
    const frame = compressFrame(raw, level)
    expect(decompressFrame(frame, raw.length).equals(raw)).toBe(true)
    expect(frame.length).toBeLessThan(raw.length + (raw.length >> 8) + 64)
  }
})

test.each(samples.slice(1))('%s with a flipped bit or another length do not', (_, raw) => {
  const frame = compressFrame(raw, 'fast')
  const flipped = Buffer.from(frame)
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
  expect(codeOf(() => decompressFrame(flipped, raw.length))).toBe('archive/corrupt-chunk')
  expect(codeOf(() => decompressFrame(frame, raw.length - 1))).toBe('archive/corrupt-chunk')
  expect(codeOf(() => decompressFrame(frame, raw.length + 1))).toBe('archive/corrupt-chunk')
})

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (isBerthError(error)) return error.code
    throw error
  }
  return 'none'
}
