import { expect, test } from 'vitest'
import { storeOfName } from './bucket-name.ts'

const query = 'endpoint=https://s3.example.com&region=eu-1&path-style=true'
const env = { BERTH_STORE: `s3://pics/pods?${query}` }

test.each([
  ['pics', `s3://pics?${query}`],
  ['/pics/', `s3://pics?${query}`],
  ['pics/models', `s3://pics/models?${query}`],
  ['other', 's3://other'],
  ['picsy', 's3://picsy'],
  ['pics?region=us-2', 's3://pics?region=us-2'],
  ['s3://pics', 's3://pics'],
])('a bucket by the name of the own store is at its endpoint: %s', (name, store) => {
  expect(storeOfName(name, env)).toBe(store)
})

test('a store that is no bucket, or can’t be read, says nothing of one', () => {
  for (const BERTH_STORE of ['', 'file:///pics', 'pics', 's3://pics?endpoint=:'])
    expect(storeOfName('pics', { BERTH_STORE })).toBe('s3://pics')
  expect(storeOfName('pics', { RUNPOD_S3_BUCKET: 'pics' })).toBe('s3://pics')
})
