import { expect, test } from 'vitest'
import { parseAccessLog } from './access-log.ts'

const rest = '- 0 0 0 0 - agent - host SigV4 - AuthHeader s3.us-east-1.amazonaws.com - arn Yes'
const line = (operation: string, key: string, status = 200): string =>
  `ID bucket [21/November/2026:01:28:36 +0000] 127.0.0.1 ID 0P8T8JJ ${operation} ${key} /bucket/${encodeURI(key)} ${status} ${rest}\n`

test('a log tells the requests that came', () => {
  const text = [
    'log starts 2026-11-21 01:28:36.069134152 +0000 UTC m=+0.041636008\n',
    line('s3_GetObject', 'a/b'),
    line('s3_PutObject', 'a b/c', 412),
    line('s3_HeadObject', 'a', 404),
    line('s3_ListObjectsV2', '-'),
    line('s3_UploadPart', 'a'),
    line('s3_CompleteMultipartUpload', 'a'),
    line('s3_DeleteObject', 'a', 204),
  ].join('')
  expect(parseAccessLog(text)).toEqual([
    { method: 'GET', key: 'a/b', status: 200 },
    { method: 'PUT', key: 'a b/c', status: 412 },
    { method: 'HEAD', key: 'a', status: 404 },
    { method: 'GET', key: '-', status: 200 },
    { method: 'PUT', key: 'a', status: 200 },
    { method: 'POST', key: 'a', status: 200 },
    { method: 'DELETE', key: 'a', status: 204 },
  ])
})

test('a line that is cut is left out', () => {
  expect(parseAccessLog(line('s3_GetObject', 'a').slice(0, 60))).toEqual([])
})
