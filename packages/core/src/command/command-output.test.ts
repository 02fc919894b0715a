import { expect, test } from 'vitest'
import { parseCommandOutput } from './command-output.ts'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readCommandOutput } from './command-output.ts'
import { temporaryDirectory } from '../testing.ts'

test('reads values, values of several lines, and the last of a name', () => {
  expect(
    parseCommandOutput('a=1\nb=x=y<<z\r\n\nlog<<EOF\none\n\nthree=3\nEOF\na=2\nempty=\n'),
  ).toEqual({
    a: '2',
    b: 'x=y<<z',
    log: 'one\n\nthree=3',
    empty: '',
  })
  expect(parseCommandOutput('__proto__=1')).toEqual(Object.fromEntries([['__proto__', '1']]))
})

test.each([
  ['hello', 'line 1 of $BERTH_OUTPUT is `hello`, and it is neither `name=value` nor `name<<END`'],
  ['a=1\nbad name=2', 'line 2 of $BERTH_OUTPUT is `bad name=2`'],
  ['a<<EOF\nno end', 'line 1 of $BERTH_OUTPUT is `a<<EOF`, and its end `EOF` is missing'],
  ['a<<', 'line 1'],
  ['x'.repeat(81), 'line 1 of $BERTH_OUTPUT has 81 characters, and it is neither'],
])('refuses %j', (text, message) => {
  expect(() => parseCommandOutput(text)).toThrow(message)
})

test('refuses more than a mebibyte and says how much it was', async () => {
  const file = join(await temporaryDirectory(), 'output')
  await writeFile(file, `a=${'x'.repeat(1024 * 1024)}`)
  expect(() => readCommandOutput(file)).toThrow('it wrote 1048578 bytes')
})
