import { expect, test } from 'vitest'
import { z } from 'zod'
import { optionalKey } from './optional-key.ts'

test('what a key may hold is made when a document has it, and once', () => {
  let made = 0
  const schema = z.strictObject({
    port: optionalKey('Where it listens.', () => {
      made += 1
      return z.number()
    }),
  })
  expect(schema.parse({})).toEqual({})
  expect(made).toBe(0)
  expect(schema.parse({ port: 1 })).toEqual({ port: 1 })
  expect(schema.safeParse({ port: 'one' }).error?.issues).toMatchObject([
    { code: 'invalid_type', path: ['port'] },
  ])
  expect(schema.safeParse({ pord: 1 }).error?.issues).toMatchObject([
    { code: 'unrecognized_keys', keys: ['pord'] },
  ])
  expect(made).toBe(1)
})

test('a key is described to editors', () => {
  const schema = z.strictObject({ name: optionalKey('What it is called.', () => z.string()) })
  expect(z.toJSONSchema(schema)).toMatchObject({
    properties: { name: { type: 'string', description: 'What it is called.' } },
    additionalProperties: false,
  })
  expect(z.toJSONSchema(schema)).not.toHaveProperty('required')
})
