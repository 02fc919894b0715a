import { expect, test } from 'vitest'
import { parseAddress } from './address.ts'

test.each([
  ['127.0.0.1:9180', '127.0.0.1', 9180],
  ['[::1]:80', '::1', 80],
  ['localhost:0', 'localhost', 0],
  ['9180', '0.0.0.0', 9180],
  [':9180', '0.0.0.0', 9180],
])('reads %s', (text, host, port) => {
  expect(parseAddress(text)).toEqual({ host, port })
})

test.each(['', 'localhost', '1.2.3.4:', '::1:80', '1.2.3.4:70000', 'a:b'])(
  'refuses `%s`',
  (text) => {
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'cli/bad-address' }))
  },
)
