import { expect, test } from 'vitest'
import { Tempo } from './tempo.ts'

const BYTES = 1_000_000

/** Sends for so long over a link that carries so many files at once before it gets no faster; answers the widths that were used. */
function simulate(
  tempo: Tempo,
  { room, seconds, from = 0 }: { room: number; seconds: number; from?: number },
) {
  const widths: number[] = []
  let now = from
  while (now < from + seconds * 1000) {
    // Each of them takes 100 ms; what is too much makes all slower.
    const atOnce = Math.min(tempo.width, room)
    now += 100 / atOnce
    tempo.sent(BYTES, { now, isBusy: true })
    widths.push(tempo.width)
  }
  return widths
}

test('more are sent at once for as long as that is faster', () => {
  const tempo = new Tempo()
  expect(simulate(tempo, { room: 100, seconds: 20 }).at(-1)).toBe(32)
})

test('no more are sent at once than make it faster', () => {
  const tempo = new Tempo()
  const widths = simulate(tempo, { room: 8, seconds: 30 })
  expect(Math.max(...widths)).toBeLessThanOrEqual(18)
  const usual = widths.filter((width) => width <= 12).length
  expect(usual / widths.length).toBeGreaterThan(0.8)
})

test('a refusal halves it, and it grows again', () => {
  const tempo = new Tempo()
  simulate(tempo, { room: 100, seconds: 20 })
  tempo.refused()
  expect(tempo.width).toBe(16)
  for (let n = 0; n < 5; n++) tempo.refused()
  expect(tempo.width).toBe(4)
  expect(simulate(tempo, { room: 100, seconds: 20, from: 30_000 }).at(-1)).toBe(32)
})

test('what is sent alone says nothing', () => {
  const tempo = new Tempo()
  for (let now = 0; now < 60_000; now += 200) tempo.sent(BYTES, { now, isBusy: false })
  expect(tempo.width).toBe(8)
})
