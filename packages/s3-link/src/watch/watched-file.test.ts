import { expect, test } from 'vitest'
import { ignoring, ownNames, unfinishedNames } from './ignored.ts'
import { isReady, retryDelayMs } from './watched-file.ts'

const facts = { size: 10, mtimeNs: '0', ctimeNs: '0', ino: '1', bornNs: '1' }
const asked = {
  now: 10_000,
  isOpen: false,
  writersKnown: true,
  settleMs: 250,
  isDraining: false,
}
const ready = (ageMs: number, other: object = {}, size = 10): boolean =>
  isReady({
    ...asked,
    file: { unchangedSince: 10_000 - ageMs, facts: { ...facts, size } },
    ...other,
  })

test('a file is finished when nobody has it open and it has not changed for a while', () => {
  expect([249, 250].map((age) => ready(age))).toEqual([false, true])
  expect(ready(600_000, { isOpen: true })).toBe(false)
})

test('it takes longer where the open files of others are not known, and for an empty file', () => {
  expect([250, 1999, 2000].map((age) => ready(age, { writersKnown: false }))).toEqual([
    false,
    false,
    true,
  ])
  expect([250, 1999, 2000].map((age) => ready(age, {}, 0))).toEqual([false, false, true])
})

test('at the end there is little time, but what is open is still not finished', () => {
  expect([99, 100].map((age) => ready(age, { isDraining: true, writersKnown: false }))).toEqual([
    false,
    true,
  ])
  expect(ready(600_000, { isDraining: true, isOpen: true })).toBe(false)
})

test('the time to the next try doubles up to ten minutes', () => {
  expect([1, 2, 3, 10, 11, 100].map((attempts) => retryDelayMs(attempts, 1))).toEqual([
    1000, 2000, 4000, 512_000, 600_000, 600_000,
  ])
  expect(retryDelayMs(1, 0)).toBe(750)
})

test('unfinished files are known by their name', () => {
  const isIgnored = ignoring([...unfinishedNames, 'draft?.*', 'ü*'])
  const names = ['a/x.part', 'x.tmp', '.~lock', 'draft1.png', 'Ã¼1']
  expect(names.map(isIgnored)).toEqual(names.map(() => true))
  const finished = ['a.part/x', 'tmp', 'x.part1', 'draft10.png', 'x.png', 'a+b']
  expect(finished.map(isIgnored)).toEqual(finished.map(() => false))
})

test('what is nobody’s file is known by its name', () => {
  const isOurs = ignoring(ownNames)
  const names = ['a/.x.png.berth-evict', '.nfs0001', '.fuse_hidden0001', '.berth-root']
  expect(names.map(isOurs)).toEqual(names.map(() => true))
  expect(['x.berth-evict', 'a.tmp', 'nfs'].map(isOurs)).toEqual([false, false, false])
})
