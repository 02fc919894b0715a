import { expect, test } from 'vitest'
import { hasExpression, parseTemplate, wholeExpression } from './template.ts'

test('splits a text at its expressions', () => {
  expect(parseTemplate('a ${{ b }}c${{d}}')).toEqual({
    parts: [
      { kind: 'text', text: 'a ' },
      { kind: 'expression', text: ' b ', offset: 5 },
      { kind: 'text', text: 'c' },
      { kind: 'expression', text: 'd', offset: 14 },
    ],
  })
  expect(parseTemplate('plain $NAME ${NAME} {{ x }}')).toEqual({
    parts: [{ kind: 'text', text: 'plain $NAME ${NAME} {{ x }}' }],
  })
})

test('braces within single quotes do not close an expression', () => {
  const text = "${{ format('{{{0}}}', 'it''s }}') }}!"
  expect(parseTemplate(text).parts).toEqual([
    { kind: 'expression', text: " format('{{{0}}}', 'it''s }}') ", offset: 3 },
    { kind: 'text', text: '!' },
  ])
})

test('says where an expression begins that never ends', () => {
  expect(parseTemplate("a ${{ 'b }}").unclosedAt).toBe(2)
})

test('only a text that is nothing else is a whole expression', () => {
  expect(wholeExpression('${{ a }}')).toBe(' a ')
  expect(wholeExpression('${{ a }} ')).toBeUndefined()
  expect(wholeExpression('${{ a }}${{ b }}')).toBeUndefined()
  expect(wholeExpression('${{ a')).toBeUndefined()
  expect(wholeExpression(5)).toBeUndefined()
})

test('finds expressions within lists and maps', () => {
  expect(hasExpression({ a: [1, { b: 'x ${{ y }}' }] })).toBe(true)
  expect(hasExpression({ a: [1, { b: 'x' }], c: null })).toBe(false)
})
