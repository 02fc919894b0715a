import { existsSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newDirectory } from '../testing.ts'
import { lockTree } from './tree-lock.ts'

test('whoever waited makes anew what the one before removed, and locks that', async () => {
  const state = join(newDirectory(), 'trees', 'x')
  const first = await lockTree(state, {})
  const waiting = [lockTree(state, {}), lockTree(state, {})]
  rmdirSync(state)
  await first[Symbol.asyncDispose]()
  const second = await Promise.race(waiting)
  expect(existsSync(state)).toBe(true)
  const isBoth = Promise.all(waiting).then(() => true)
  const soon = new Promise((resolve) => setTimeout(resolve, 200, false))
  expect(await Promise.race([isBoth, soon])).toBe(false)
  await second[Symbol.asyncDispose]()
  await Promise.all(waiting)
})
