import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findCycles, resolveNeeds, stepsBefore } from './needs.ts'

test('a step without needs waits for the item before it', () => {
  const needs = resolveNeeds([{ id: 'a' }, { id: 'b' }, { id: 'c', needs: [] }, { id: 'd' }])
  expect(Object.fromEntries(needs)).toEqual({ a: [], b: ['a'], c: [], d: ['c'] })
})

test('a group starts together and is waited for as a whole', () => {
  const needs = resolveNeeds([
    { id: 'a' },
    { parallel: [{ id: 'b' }, { id: 'c' }, { id: 'd', needs: ['b', 'b'] }] },
    { id: 'e' },
    { parallel: [{ id: 'f' }], needs: ['a'] },
  ])
  expect(Object.fromEntries(needs)).toEqual({
    a: [],
    b: ['a'],
    c: ['a'],
    d: ['b'],
    e: ['b', 'c', 'd'],
    f: ['a'],
  })
})

test('finds the circle and not the way to it', () => {
  const needs = new Map([
    ['a', ['b']],
    ['b', ['c']],
    ['c', ['b']],
    ['d', ['d', 'nowhere']],
  ])
  expect(findCycles(needs)).toEqual([['b', 'c'], ['d']])
})

test('what has ended before a step includes what those steps waited for', () => {
  const needs = resolveNeeds([{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd', needs: ['b'] }])
  expect([...stepsBefore('d', needs)].toSorted()).toEqual(['a', 'b'])
})

const graphs = fc
  .array(fc.array(fc.nat(7), { maxLength: 4 }), { minLength: 1, maxLength: 8 })
  .map((rows) => new Map(rows.map((row, id) => [String(id), row.map(String)])))

test('finds a circle exactly where a step comes before itself', () => {
  fc.assert(
    fc.property(graphs, (needs) => {
      const circular = [...needs.keys()].some((id) => stepsBefore(id, needs).has(id))
      const cycles = findCycles(needs)
      expect(cycles.length > 0).toBe(circular)
      for (const cycle of cycles) {
        for (const [index, id] of cycle.entries()) {
          expect(needs.get(id)).toContain(cycle[(index + 1) % cycle.length])
        }
      }
    }),
  )
})
