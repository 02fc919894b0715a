import { expect, test } from 'vitest'
import { excerpt } from './excerpt.ts'

const text = 'boot:\n\t- run: x\r\nlong: ' + 'a'.repeat(200) + '\n'

test('shows the line with carets below the place', () => {
  expect(excerpt(text, { line: 1, column: 1, length: 4 })).toBe('1 | boot:\n  | ^^^^')
})

test('keeps tabs, so that the caret stands below its place', () => {
  expect(excerpt(text, { line: 2, column: 4 })).toBe('2 | \t- run: x\n  | \t  ^')
})

test('ends the carets with the line', () => {
  expect(excerpt(text, { line: 1, column: 4, length: 50 })).toBe('1 | boot:\n  |    ^^')
})

test('cuts a long line around the place', () => {
  const [line = '', carets = ''] = excerpt(text, { line: 3, column: 150, length: 2 }).split('\n')
  expect(line.startsWith('3 | …aaa')).toBe(true)
  expect(line.length).toBeLessThan(130)
  expect(carets.indexOf('^')).toBe('3 | …'.length + 40)
})

test('a place behind the text still has its caret', () => {
  expect(excerpt('a: b\n', { line: 2, column: 1 })).toBe('2 | \n  | ^')
})
