import { expect, test } from 'vitest'
import { checkStore } from './check-store.ts'
import { storeUrlInput } from './inputs.ts'

test('an input takes what parseStoreUrl takes, and the empty text', () => {
  for (const url of ['', 'file:///data', 's3://bucket/prefix?region=x']) {
    expect(storeUrlInput.safeParse(url)).toMatchObject({ success: true, data: url })
  }
  expect(storeUrlInput.safeParse('s4://bucket').error?.issues).toMatchObject([
    {
      message:
        'could not read the store URL `s4://bucket`: it is neither `file:///path` nor `s3://bucket/prefix`',
      params: { code: 'object-store/bad-url', hint: 'did you mean `s3://bucket`?' },
    },
  ])
})

test('settings that contradict each other are found without a request', () => {
  const half = { AWS_ACCESS_KEY_ID: 'id' }
  expect(() => checkStore('s3://bucket', half)).toThrow(
    expect.objectContaining({ code: 'object-store/half-set-credentials' }),
  )
  expect(() => checkStore('s4://bucket', {})).toThrow(
    expect.objectContaining({ code: 'object-store/bad-url' }),
  )
  for (const [url, env] of [
    ['', half],
    ['file:///data', half],
    ['s3://bucket', { ...half, AWS_SECRET_ACCESS_KEY: 'secret' }],
  ] as const) {
    expect(() => checkStore(url, env)).not.toThrow()
  }
})
