import { expect, test } from 'vitest'
import { BerthError } from '@berth/core/error'
import { parseStoreUrl } from './location.ts'

test('reads a directory, with escapes, and without a slash at its end', () => {
  expect(parseStoreUrl('file:///data/my%20store/')).toEqual({
    kind: 'directory',
    path: '/data/my store',
  })
  expect(parseStoreUrl('file:///')).toEqual({ kind: 'directory', path: '/' })
})

test('reads a bucket with all its options', () => {
  const url =
    's3://art/pods/a?endpoint=https://s3.example.com/base&region=eu-1&storage-class=STANDARD_IA&path-style=false&pool=8'
  expect(parseStoreUrl(url)).toEqual({
    kind: 's3',
    bucket: 'art',
    prefix: 'pods/a',
    endpoint: new URL('https://s3.example.com/base'),
    region: 'eu-1',
    storageClass: 'STANDARD_IA',
    pathStyle: false,
    pool: 8,
  })
  expect(parseStoreUrl('s3://art/')).toMatchObject({ bucket: 'art', prefix: '' })
})

test.for([
  ['s3:/bucket/p', 'did you mean `s3://bucket/p`?'],
  ['s3//bucket/p', 'did you mean `s3://bucket/p`?'],
  ['s3:bucket', 'did you mean `s3://bucket`?'],
  ['S3://bucket', 'did you mean `s3://bucket`?'],
  ['s3a://bucket/p', 'did you mean `s3://bucket/p`?'],
  ['s3:///bucket/p', 'did you mean `s3://bucket/p`?'],
  ['ss3://bucket', 'did you mean `s3://bucket`?'],
  ['s3://localhost:9000/bucket/p', 'did you mean `s3://bucket/p?endpoint=http://localhost:9000`?'],
  [
    'https://s3.example.com/bucket/p',
    'did you mean `s3://bucket/p?endpoint=https://s3.example.com`?',
  ],
  ['https://art.s3.amazonaws.com/p/q', 'did you mean `s3://art/p/q`?'],
  ['https://a.rt.s3.eu-central-1.amazonaws.com', 'did you mean `s3://a.rt?region=eu-central-1`?'],
  ['https://s3-eu-west-1.amazonaws.com/art/p', 'did you mean `s3://art/p?region=eu-west-1`?'],
  ['https://s3.amazonaws.com/art', 'did you mean `s3://art`?'],
  ['https://s3.amazonaws.com/', 'write `file:///path` or `s3://bucket/prefix?endpoint=…&region=…`'],
  ['file://data/store', 'did you mean `file:///data/store`?'],
  ['file:/data', 'did you mean `file:///data`?'],
  ['fil:///data', 'did you mean `file:///data`?'],
  ['/data/store', 'did you mean `file:///data/store`?'],
  ['file:///data?region=x', 'did you mean `file:///data`?'],
  ['file:///100%', 'did you mean `file:///100%25`?'],
  ['s3://art?regoin=eu-1', 'did you mean `region`?'],
  ['s3://art?storage-class=standard_ia', 'did you mean `storage-class=STANDARD_IA`?'],
] as const)('suggests what was meant by %s', ([url, hint]) => {
  expect(problemOf(url)).toMatchObject({ code: 'object-store/bad-url', hint })
})

test.for([
  ['s3://art?endpoint=localhost:9000', 'did you mean `http://localhost:9000`?'],
  ['s3://art?endpoint=s3.example.com', 'did you mean `https://s3.example.com`?'],
  ['s3://art?endpoint=https:/s3.example.com', 'did you mean `https://s3.example.com`?'],
  ['s3://art?endpoint=http://', 'did you mean `http://`?'],
  ['s3://art?endpoint=https://h/?x=1', 'leave out what follows the `?` or the `#`'],
] as const)('suggests the endpoint that was meant by %s', ([url, hint]) => {
  expect(problemOf(url)).toMatchObject({ code: 'object-store/bad-endpoint', hint })
})

test.for([
  '',
  'bucket',
  's3://',
  's3://a/../b',
  's3://art//p',
  's3://art?pool=0',
  's3://art?pool=1e3',
  's3://art?path-style=yes',
  's3://art?region=',
  's3://art?region=a&region=b',
  's3://art?storage-class=GLACIER',
  's3://art?what=ever',
  'file://',
  'file:///a/../b',
  'file:///a%00b',
  'ftp://host/a',
  's3:bucket/prefix',
  'http:bucket',
])('refuses %j', (url) => {
  const error = problemOf(url)
  expect(error.code).toBe('object-store/bad-url')
  expect(error.hint).toBeTruthy()
  expect(error.message).not.toMatch(/\.$/)
})

test.for([
  's3://AKIAXYZ:hunter2secret@art/p',
  's3://art?endpoint=https://me:hunter2secret@s3.example.com',
  's3://art?secret-access-key=hunter2secret',
  's3://art?access_key=hunter2secret',
  's3://art?token=hunter2secret',
  'https://me:hunter2secret@s3.example.com/art',
  's3:/AKIAXYZ:hunter2secret@art',
  's3://AKIAXYZ:hun/ter2+hunter2@art/p',
  's3://AKIAXYZ:hun?ter2&hunter2@art/p',
  's3://AKIAXYZ:hunter2secret/art/p',
  's3://AKIAXYZ:2/hunter2@art/p',
  's3//AKIAXYZ:hun/hunter2@art',
  'AKIAXYZ:hunter2/secret@art',
  'https://me:hun/hunter2@s3.example.com/art',
  's3://art?regoin=x&endpoint=http://me:hun/hunter2@h',
  's3://art?regoin=x&endpoint=http%3A%2F%2Fme%3Ahun%2Fhunter2%40h',
])('refuses the credentials in %s without repeating them', (url) => {
  const error = problemOf(url)
  expect(error.code).toBe('object-store/credentials-in-url')
  expect(JSON.stringify([error.message, error.hint, error.stack])).not.toMatch(/hunter2|AKIAXYZ/)
})

test.for([
  'file:///mnt/a:b@c',
  's3://art/me@host/p',
  's3://art/a:b/me@host',
  's3://art/a?endpoint=http://[::1]:9000',
])('sees no credentials in %s', (url) => {
  expect(parseStoreUrl(url)).toBeDefined()
})

test('hides the value of an option that it does not know', () => {
  const { message, hint } = problemOf('s3://art?pwd=hunter2&region=eu-1')
  expect(`${message} ${hint}`).not.toContain('hunter2')
  expect(message).toContain('`s3://art?pwd=…&region=eu-1`')
})

function problemOf(url: string): BerthError {
  try {
    parseStoreUrl(url)
  } catch (error) {
    if (error instanceof BerthError) return error
    throw error
  }
  throw new Error(`${url} was accepted`)
}
