import { expect, test } from 'vitest'
import { MovableDeadline } from './movable-deadline.ts'

test('comes nearer, never farther, and tells those who want to know', () => {
  const heard: number[] = []
  const deadline = new MovableDeadline(undefined)
  deadline.whenMoved((at) => heard.push(at))
  const first = deadline.moved
  deadline.hasten(2000)
  expect(first.aborted).toBe(true)
  const second = deadline.moved
  deadline.hasten(3000)
  expect(second.aborted).toBe(false)
  deadline.hasten(1000)
  expect(second.aborted).toBe(true)
  expect({ at: deadline.at, heard }).toEqual({ at: 1000, heard: [2000, 1000] })
})

test('has passed when the time is over, also one that was moved while it was waited for', async () => {
  const never = new AbortController().signal
  expect(await new MovableDeadline(Date.now() - 10).passed(5, never)).toBe(true)
  const deadline = new MovableDeadline(Date.now() + 60_000)
  const passed = deadline.passed(0, never)
  deadline.hasten(Date.now())
  expect(await passed).toBe(true)
})

test('is not waited for any longer when the signal aborts', async () => {
  const enough = new AbortController()
  const passed = new MovableDeadline(undefined).passed(0, enough.signal)
  enough.abort()
  expect(await passed).toBe(false)
})
