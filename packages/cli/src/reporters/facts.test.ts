import { expect, test } from 'vitest'
import { factsText } from './facts.ts'

test('an amount of one has its noun in the singular', () => {
  expect(factsText({ files: 1, uploadedChunks: 1, directories: 1, conflicts: 1 })).toBe(
    '1 file, 1 uploaded chunk, 1 directory, 1 conflict',
  )
  expect(factsText({ files: 2, directories: 3 })).toBe('2 files, 3 directories')
})

test('what a save calls changed may be new', () => {
  expect(factsText({ changed: 26, deleted: 1 })).toBe('26 new or changed, deleted 1')
})
