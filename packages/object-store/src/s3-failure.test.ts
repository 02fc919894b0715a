import { expect, test } from 'vitest'
import { readFailure } from './s3-failure.ts'

test('cuts what a server says between words, because a part of a key would not be known as one', () => {
  const said = new Error(`no: ${'word '.repeat(30)}${'k'.repeat(300)} end.`)
  const failure = readFailure(Object.assign(said, { $metadata: { httpStatusCode: 403 } }))
  expect(failure?.message).toBe(`403: no: ${'word '.repeat(30).trim()}…`)
})
