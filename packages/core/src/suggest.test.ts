import { expect, test } from 'vitest'
import { didYouMean, suggest } from './suggest.ts'

test.each([
  ['wiht', ['with', 'if', 'env'], 'with'],
  ['timout', ['timeout', 'retry'], 'timeout'],
  ['network_volume', ['network-volume'], 'network-volume'],
  ['POD', ['pod', 'store'], 'pod'],
  ['vol', ['volume', 'shared'], 'volume'],
  ['v', ['volume', 'venv'], undefined],
  ['zzz', ['with', 'if'], undefined],
  ['', ['with'], undefined],
  ['with', [], undefined],
])('for `%s` of %j suggests %s', (word, candidates, expected) => {
  expect(suggest(word, candidates)).toBe(expected)
})

test('names everything there is when nothing is near', () => {
  expect(didYouMean('zzz', ['left', 'right'])).toBe('use one of `left`, `right`')
  expect(didYouMean('zzz', ['left'])).toBe('use `left`')
  expect(didYouMean('zzz', [])).toBe('there is none to choose from')
  expect(didYouMean('lfet', ['left', 'right'])).toBe('did you mean `left`?')
})
