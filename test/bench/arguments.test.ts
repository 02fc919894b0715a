import { expect, test } from 'vitest'
import { readArguments } from './arguments.ts'

test('the full bench is five rounds on the venv', () => {
  expect(readArguments([])).toMatchObject({ tree: 'venv', rounds: 5, only: [], quick: false })
})

test('the quick bench is one round on a small generated tree', () => {
  expect(readArguments(['--quick'])).toMatchObject({ tree: 'generated', rounds: 1 })
})

test('a link has a delay and a rate', () => {
  expect(readArguments(['--link', '20ms,1gbit']).link).toEqual({ roundTripMs: 20, megabits: 1000 })
  expect(readArguments(['--link', '5ms,2.5gbit']).link).toEqual({ roundTripMs: 5, megabits: 2500 })
  expect(readArguments(['--link', '5ms,100mbit']).link?.megabits).toBe(100)
})

test.each([
  [['--tree', 'oak'], '`oak` is none of venv, gpu, generated'],
  [['--rounds', '0'], '`0` is not a number from 1 on'],
  [['--link', 'slow'], '`slow` is no link such as 20ms,1gbit'],
  [['--fast'], "Unknown option '--fast'"],
])('%j is refused', (words, why) => {
  expect(() => readArguments(words)).toThrow(why)
})
