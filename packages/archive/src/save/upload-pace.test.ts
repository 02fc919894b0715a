import { expect, test } from 'vitest'
import { type PacedUpload, createUploadPace } from './upload-pace.ts'

const MB = 1e6

interface Link {
  bytesPerSecond: number
  /** Until nothing may be under way any more. */
  seconds: number
  /** What compression leaves of the bytes. */
  ratio?: number
}

interface Outcome {
  arrived: number[]
  /** Begun, and not there at the cut. */
  lost: number[]
  refused: number[]
}

/** Sends objects of these sizes over a link that all share evenly, in time that does not pass by itself. */
async function send(sizes: readonly number[], link: Link): Promise<Outcome> {
  const { bytesPerSecond, seconds, ratio = 1 } = link
  let time = 0
  const pace = createUploadPace(
    () => time,
    () => time,
  )
  const cut = { at: seconds * 1000, signal: new AbortController().signal }
  const outcome: Outcome = { arrived: [], lost: [], refused: [] }
  const underWay = new Map<PacedUpload, { size: number; left: number }>()
  for (const size of sizes) {
    void pace.begin({ rawBytes: size, cut }).then((upload) => {
      if (upload === undefined) return outcome.refused.push(size)
      upload.sends(size * ratio)
      return underWay.set(upload, { size, left: size * ratio })
    })
  }
  for (; time < cut.at; time++) {
    await settle()
    const part = bytesPerSecond / 1000 / underWay.size
    for (const [upload, sending] of underWay) {
      sending.left -= part
      if (sending.left > 0) continue
      underWay.delete(upload)
      outcome.arrived.push(sending.size)
      upload.arrived()
      upload[Symbol.dispose]()
    }
  }
  outcome.lost = [...underWay.values()].map(({ size }) => size)
  return outcome
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await Promise.resolve()
}

const times = (count: number, size: number): number[] => Array.from({ length: count }, () => size)

test.each([
  [{ bytesPerSecond: 30 * MB, seconds: 6 }, 32],
  [{ bytesPerSecond: 30 * MB, seconds: 1 }, 4],
  [{ bytesPerSecond: 3 * MB, seconds: 6 }, 2],
  [{ bytesPerSecond: 30 * MB, seconds: 6, ratio: 0.25 }, 128],
])('over %o at least %i objects of 5 MB arrive, and none is lost', async (link, least) => {
  const { arrived, lost } = await send(times(400, 5 * MB), link)
  expect(lost).toEqual([])
  expect(arrived.length).toBeGreaterThanOrEqual(least)
})

test('sends the smallest first, and lets what is tiny wait for nothing', async () => {
  const sizes = [5 * MB, ...times(4, 4 * MB), ...times(4, 3 * MB), 1000, 5000]
  const { arrived, lost } = await send(sizes, { bytesPerSecond: 10 * MB, seconds: 3 })
  expect(arrived.slice(0, 3)).toEqual([1000, 5000, 5 * MB])
  expect(arrived.slice(3, 7)).toEqual(times(4, 3 * MB))
  expect(lost).toEqual([])
})

test('refuses what can’t arrive in time once it knows the link, and not what can', async () => {
  const { arrived, refused } = await send([1 * MB, 50 * MB, 3 * MB], {
    bytesPerSecond: 10 * MB,
    seconds: 2,
  })
  expect(arrived).toEqual([1 * MB, 3 * MB])
  expect(refused).toEqual([50 * MB])
})

test('waits no longer than until the cut', async () => {
  const pace = createUploadPace()
  const ended = new AbortController()
  const cut = { at: Infinity, signal: ended.signal }
  using first = await pace.begin({ rawBytes: 5 * MB, cut })
  const second = pace.begin({ rawBytes: 5 * MB, cut })
  ended.abort(new Error('over'))
  await expect(second).rejects.toThrow('over')
  await expect(pace.begin({ rawBytes: 1, cut })).rejects.toThrow('over')
  expect(first).toBeDefined()
})
