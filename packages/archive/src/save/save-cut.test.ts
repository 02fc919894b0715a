import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startCut, untilCut } from './save-cut.ts'

test('leaves the commit a little, and more the longer it took to read the base and the tree', async () => {
  const deadline = Date.now() + 60_000
  using cut = startCut(deadline)
  const quick = deadline - (cut?.at ?? 0)
  expect(quick).toBeGreaterThanOrEqual(300)
  await sleep(200)
  cut?.planCommit()
  const slow = deadline - (cut?.at ?? 0)
  expect(slow).toBeGreaterThanOrEqual(quick + 250)
  expect(slow).toBeLessThan(30_000)
})

test('leaves half of hardly any time to content', () => {
  const deadline = Date.now() + 400
  using cut = startCut(deadline)
  expect(deadline - (cut?.at ?? 0)).toBeLessThanOrEqual(200)
})

test('comes in time, at once where the time is over already, and where nothing more can be sent', async () => {
  using soon = startCut(Date.now() + 100)
  expect(await untilCut(soon?.signal, new Promise(() => {}))).toBeUndefined()
  using over = startCut(Date.now() - 100)
  expect(await untilCut(over?.signal, new Promise(() => {}))).toBeUndefined()
  using far = startCut(Date.now() + 2 ** 40)
  await sleep(5)
  expect(far?.signal.aborted).toBe(false)
  far?.end()
  expect(far?.signal.aborted).toBe(true)
  expect(startCut(undefined)).toBeUndefined()
})
