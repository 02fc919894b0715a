import { expect } from 'vitest'
import type { ObjectStore } from '../store.ts'

/** One promise of a store. */
export interface Clause {
  title: string
  check: (store: ObjectStore) => Promise<void>
}

/** What a store promises of `stream`. */
export const streaming: readonly Clause[] = [
  {
    title: 'a stream passes on all bytes in order, as fast as they are taken',
    check: async (store) => {
      const body = Buffer.from(Array.from({ length: 2_000_000 }, (_, index) => (index * 7) & 0xff))
      await store.put('streamed', body)
      const read = async (range?: { start: number; end: number }) => {
        const pieces: Buffer[] = []
        let taking = 0
        const count = await store.stream(
          'streamed',
          async (bytes) => {
            expect(++taking).toBe(1)
            await new Promise((resolve) => setTimeout(resolve, 1))
            pieces.push(Buffer.from(bytes))
            taking--
          },
          { range },
        )
        const whole = Buffer.concat(pieces)
        expect(count).toBe(whole.length)
        return whole
      }
      expect((await read()).equals(body)).toBe(true)
      const end = body.length + 5
      expect((await read({ start: 1_500_001, end })).equals(body.subarray(1_500_001))).toBe(true)
      expect(await store.stream('no-such', () => {})).toBeUndefined()
    },
  },

  {
    title: 'what the sink of a stream throws ends the stream',
    check: async (store) => {
      await store.put('refused', Buffer.alloc(500_000))
      const refuse = (): void => {
        throw new TypeError('no room')
      }
      await expect(store.stream('refused', refuse)).rejects.toThrow('no room')
      await expect(store.stream('refused', async () => refuse())).rejects.toThrow('no room')
    },
  },
]
