import type { MountFault } from './driver.ts'

type Pattern = [pattern: RegExp, code: string, why: string, hint: string]

/** The first that fits a line wins; of several lines the earliest, which is where the trouble began. */
const patterns: Pattern[] = [
  [
    /SignatureDoesNotMatch|signature we calculated/i,
    's3-link/wrong-secret',
    'the service says that the secret key does not fit, or that the clock is wrong',
    'compare the secret key, then the clock of this machine',
  ],
  [
    /InvalidAccessKeyId|XAdminUserNotFound|invalid credentials|AccessDenied|Forbidden/i,
    's3-link/not-allowed',
    'the service refuses the key',
    'compare the access key, and what it may do in this bucket',
  ],
  [
    /NoSuchBucket|bucket (?:or key |or directory )?not found|bucket .*does not exist/i,
    's3-link/no-bucket',
    'there is no such bucket',
    'compare the bucket’s name and the endpoint',
  ],
  [
    /AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocationConstraint|region .*(?:is wrong|expecting)|(?:wrong|incorrect) region/i,
    's3-link/wrong-region',
    'the bucket lies in another region',
    'set the region: `?region=…` in the store, or RUNPOD_S3_REGION',
  ],
  [
    /could ?n.?t[ _]resolve[ _]host|no such host|unable to resolve/i,
    's3-link/no-host',
    'the endpoint’s name can’t be resolved',
    'compare the endpoint, and whether this machine has a name server',
  ],
  [
    /CURLE_SSL|CURLE_PEER|\bSSL\b|x509|certificate|\bTLS\b|tls: /i,
    's3-link/tls',
    'the endpoint’s certificate is not trusted',
    'install `ca-certificates`, or compare the endpoint',
  ],
  [
    /allow_other/i,
    's3-link/fuse-allow-other',
    'only root may let other users look into a mount',
    'add `user_allow_other` to /etc/fuse.conf, or leave out `allow-other`',
  ],
  [
    /\/dev\/fuse|fuse: device not found/i,
    's3-link/fuse-no-device',
    'this container may not use /dev/fuse',
    'start it with `--device /dev/fuse --cap-add SYS_ADMIN`, or use `driver: watch`',
  ],
  [
    /fusermount|mount failed|Operation not permitted/i,
    's3-link/fuse-no-mount',
    'the system refused the mount',
    'start the container with `--device /dev/fuse --cap-add SYS_ADMIN`, or use `driver: watch`',
  ],
  [
    /not empty/i,
    's3-link/not-empty',
    'something lies where the bucket should be mounted',
    'look at what it is, and move it away',
  ],
  [
    /no enough disk space|no space left/i,
    's3-link/no-room',
    'the disk for files that are not sent yet is full',
    'free some space there',
  ],
  [
    /unknown option|unknown flag|invalid argument/i,
    's3-link/old-driver',
    'this version does not know an option that Berth gives it',
    'install a newer version',
  ],
  [
    /connection refused|timed? ?out|unable to connect|network is unreachable|CURLE_COULDNT_CONNECT/i,
    's3-link/unreachable',
    'the endpoint does not answer',
    'compare the endpoint, and whether this machine may reach it',
  ],
]

/** What the log of a daemon that ended means; undefined where nothing in it is known. */
export function explainLog(log: readonly string[]): MountFault | undefined {
  for (const line of log) {
    // A daemon begins with what it was started with, where any of these words may stand.
    if (/\[INF\]| INFO {2}:/.test(line)) continue
    // Random letters, in which any word may stand.
    const said = line.replace(/<(RequestId|HostId)>[^<]*<\/\1>/g, '')
    const found = patterns.find(([pattern]) => pattern.test(said)) ?? byStatus(said)
    if (found !== undefined) return { code: found[1], why: found[2], hint: found[3] }
  }
  return undefined
}

/** Of a number only what is called a status: lines are full of others. */
function byStatus(line: string): Pattern | undefined {
  const [, status = ''] =
    /\b(?:status(?: ?code)?|response(?: code)?|HTTP)\W{1,3}(\d{3})\b/i.exec(line) ?? []
  const code = codesByStatus[status]
  return patterns.find((pattern) => pattern[1] === code)
}

const codesByStatus: Record<string, string> = {
  301: 's3-link/wrong-region',
  401: 's3-link/not-allowed',
  403: 's3-link/not-allowed',
  404: 's3-link/no-bucket',
}
