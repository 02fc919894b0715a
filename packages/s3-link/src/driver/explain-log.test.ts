import { expect, test } from 'vitest'
import { explainLog } from './explain-log.ts'

const s3fs = '2026-11-21T11:25:57.403Z [ERR] curl.cpp:CheckBucket(3404): Check bucket failed'
const ids = '<RequestId>SSL403</RequestId><HostId>x301/TLS+404/not empty=</HostId>'

// Most as s3fs 1.90 and rclone 1.60 say it.
test.each([
  ['s3fs: could not use the bucket: bucket not found', 's3-link/no-bucket'],
  [
    '[CRT] s3fs.cpp:s3fs_check_service(3593): bucket or key not found(host=http://127.0.0.1)',
    's3-link/no-bucket',
  ],
  [`<Error><Code>NoSuchBucket</Code>${ids}</Error>`, 's3-link/no-bucket'],
  ['ERROR: InvalidAccessKeyId: The key does not exist', 's3-link/not-allowed'],
  [`<Error><Code>XAdminUserNotFound</Code>${ids}</Error>`, 's3-link/not-allowed'],
  [`<Error><Code>AccessDenied</Code>${ids}</Error>`, 's3-link/not-allowed'],
  ['[CRT] s3fs_check_service(3590): invalid credentials(host=http://x)', 's3-link/not-allowed'],
  ['ERROR : api error Forbidden: Forbidden status code: 403, request id: 1', 's3-link/not-allowed'],
  [
    '[ERR] curl.cpp:RequestPerform(2404): HTTP response code 403 was returned',
    's3-link/not-allowed',
  ],
  ['[ERR] response: 404, body', 's3-link/no-bucket'],
  ['<Code>SignatureDoesNotMatch</Code>', 's3-link/wrong-secret'],
  ["AuthorizationHeaderMalformed: the region 'us-east-1' is wrong", 's3-link/wrong-region'],
  ['[ERR] HTTP response code 301', 's3-link/wrong-region'],
  ['fuse: device not found, try modprobe fuse first', 's3-link/fuse-no-device'],
  ['fuse: failed to open /dev/fuse: Operation not permitted', 's3-link/fuse-no-device'],
  ['fusermount: mount failed: Operation not permitted', 's3-link/fuse-no-mount'],
  [
    'mount helper error: fusermount: mount failed: Operation not permitted',
    's3-link/fuse-no-mount',
  ],
  ['fusermount: option allow_other only allowed if', 's3-link/fuse-allow-other'],
  ['dial tcp: lookup nowhere.example: no such host', 's3-link/no-host'],
  ['[ERR] curl.cpp:RequestPerform(2411): ### CURLE_COULDNT_RESOLVE_HOST', 's3-link/no-host'],
  ['[ERR] curl.cpp:RequestPerform(2450): ### CURLE_SSL_CONNECT_ERROR', 's3-link/tls'],
  ['x509: certificate signed by unknown authority', 's3-link/tls'],
  ['[CRT] s3fs_check_service(3597): unable to connect(host=http://x)', 's3-link/unreachable'],
  ['s3fs: MOUNTPOINT directory m is not empty. if you are sure', 's3-link/not-empty'],
  ['s3fs: There is no enough disk space for used as cache(or temporary)', 's3-link/no-room'],
  ["fuse: unknown option `xyz'", 's3-link/old-driver'],
  ['Fatal error: unknown flag: --nonsense', 's3-link/old-driver'],
])('explains the line %s', (line, code) => {
  expect(explainLog(['something else', line])?.code).toBe(code)
})

test.each([
  s3fs,
  `${s3fs}, S3 response: <Error>${ids}</Error>`,
  '2026/11/21 11:26:13 ERROR : m4: Unmounted rclone mount',
  '[INF] s3fs version 1.90 : s3fs -f -o endpoint=us-east-1 -o allow_other art /mnt',
  '2026/11/21 INFO  : vfs cache: cleaned: objects 404 (was 403) in use 0, to upload 0',
])('concludes nothing from the line %s', (line) => {
  expect(explainLog([line])).toBeUndefined()
})

test('takes the line in which the trouble began', () => {
  const log = [
    '[ERR] ### CURLE_COULDNT_RESOLVE_HOST',
    '[CRT] unable to connect(host=http://nowhere.invalid)',
    '[ERR] Exiting FUSE event loop due to errors',
  ]
  expect(explainLog(log)?.code).toBe('s3-link/no-host')
})
