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
    /InvalidAccessKeyId|invalid credentials|AccessDenied|403|Forbidden/i,
    's3-link/not-allowed',
    'the service refuses the key',
    'compare the access key, and what it may do in this bucket',
  ],
  [
    /NoSuchBucket|bucket not found|Bucket or directory not found|bucket .*does not exist|404/i,
    's3-link/no-bucket',
    'there is no such bucket',
    'compare the bucket’s name and the endpoint',
  ],
  [
    /region|PermanentRedirect|301/i,
    's3-link/wrong-region',
    'the bucket lies in another region',
    'set the region: `?region=…` in the store, or RUNPOD_S3_REGION',
  ],
  [
    /could ?n.t resolve host|no such host|unable to resolve/i,
    's3-link/no-host',
    'the endpoint’s name can’t be resolved',
    'compare the endpoint, and whether this machine has a name server',
  ],
  [
    /SSL|x509|certificate|TLS/i,
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
    /connection refused|timed? ?out|unable to connect|network is unreachable/i,
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
    const found = patterns.find(([pattern]) => pattern.test(line))
    if (found !== undefined) return { code: found[1], why: found[2], hint: found[3] }
  }
  return undefined
}
