import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createUnitOf, unitOf } from './group.ts'

const part = fc.constantFrom('a', 'b', 'lib', 'site-packages', 'custom_nodes', 'x.py', '')

test('a unit that is remembered for a directory is that of each of its files', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'))),
      (paths) => {
        const remembered = createUnitOf()
        expect(paths.map((path) => remembered(path))).toEqual(paths.map(unitOf))
      },
    ),
    { numRuns: 2000 },
  )
})
