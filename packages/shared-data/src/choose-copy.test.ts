import { expect, test } from 'vitest'
import { chooseCopy, type CopyQuestion } from './choose-copy.ts'

const targets: CopyQuestion['target'][] = ['absent', 'held', 'same', 'ahead']

test.each([
  ['absent', 'skip', false],
  ['empty', 'skip', false],
  ['linked', 'unchanged', false],
  ['entangled', 'skip', true],
  ['incomplete', 'skip', true],
  ['unseen', 'skip', true],
] as const)('a source that is %s is never copied: %s', (source, choice, warns) => {
  for (const target of targets) {
    for (const update of [false, true]) {
      expect(chooseCopy({ source, target, update })).toMatchObject({ choice, warns })
    }
  }
})

test.each([
  ['absent', false, 'copy', false],
  ['absent', true, 'copy', false],
  ['held', false, 'unchanged', false],
  ['held', true, 'copy', false],
  ['same', false, 'unchanged', false],
  ['same', true, 'unchanged', false],
  ['ahead', false, 'unchanged', false],
  ['ahead', true, 'skip', true],
] as const)('where the volume is %s and update is %s: %s', (target, update, choice, warns) => {
  expect(chooseCopy({ source: 'held', target, update })).toMatchObject({ choice, warns })
})
