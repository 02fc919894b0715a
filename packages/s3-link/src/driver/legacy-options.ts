/** Names that old guides give, and what they mean here. A text is the reason why one is refused. */
export const legacyOptions: Readonly<Record<string, LegacyOption | string>> = {
  parallel_count: { name: 'parallel', value: same },
  max_thread_count: { name: 'parallel', value: same },
  max_stat_cache_size: { name: 'stat-cache-entries', value: same },
  stat_cache_expire: { name: 'stat-cache', value: seconds },
  connect_timeout: { name: 'connect-timeout', value: seconds },
  readwrite_timeout: { name: 'read-timeout', value: seconds },
  allow_other: { name: 'allow-other', value: (text) => (text === '' ? 'true' : text) },
  multipart_size: { name: 'part-size', value: multipartSize },
  mp_umask: 'it is always that of `umask`',
  cache:
    's3fs has no option `cache`: `use_cache` is what was meant, and files are kept on the disk only until they are sent',
  use_cache: 'a read cache of s3fs has lost data when the disk was nearly full; leave it out',
  ensure_diskfree: 'Berth watches the free space itself; leave it out',
  tmpdir: 'what is open lies on the pod’s own disk; BERTH_LINK_DIR puts it elsewhere',
  region: 'the region belongs to the store: `s3://bucket?region=…`, or RUNPOD_S3_REGION',
  endpoint: 'the endpoint belongs to the store: `s3://bucket?endpoint=…`, or RUNPOD_S3_ENDPOINT',
  url: 'the endpoint belongs to the store: `s3://bucket?endpoint=…`, or RUNPOD_S3_ENDPOINT',
  passwd_file:
    'keys come from the environment: RUNPOD_S3_ACCESS_KEY and RUNPOD_S3_SECRET_KEY, or AWS_…',
  profile: 'keys come from the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  use_session_token: 'it is set where AWS_SESSION_TOKEN is; leave it out',
  use_path_request_style:
    'it belongs to the store: `s3://bucket?path-style=true`; most services have it already',
  default_acl: 'it could make files public; leave it out, and files stay private',
  no_check_certificate:
    'anyone on the way could read the keys; name the authority of the certificate to the system instead',
  ssl_verify_hostname:
    'anyone on the way could read the keys; use the name that the certificate is for',
  nonempty: 'it would hide the files that lie where the bucket is mounted; leave it out',
  logfile: 'the log is kept by Berth: `berth mounts --log`',
  dbglevel: 'the log is kept by Berth: `berth mounts --log`',
  // rclone's
  daemon: 'the daemon stays in the foreground, under supervision; leave it out',
  'allow-non-empty': 'it would hide the files that lie where the bucket is mounted; leave it out',
  'vfs-cache-mode': 'it is always `writes`: without a cache apps can neither seek nor append',
  'cache-dir': 'what is not sent lies on the pod’s own disk; BERTH_LINK_DIR puts it elsewhere',
  'no-check-certificate':
    'anyone on the way could read the keys; name the authority of the certificate to the system instead',
  config: 'take endpoint and keys from a remote with `berth mount-bucket --remote NAME`',
  's3-acl': 'it could make files public; leave it out, and files stay private',
  'vfs-cache-max-size': { name: 'cache-size', value: same },
  'vfs-write-back': { name: 'write-back', value: seconds },
  'dir-cache-time': { name: 'stat-cache', value: seconds },
  transfers: { name: 'parallel', value: same },
  's3-chunk-size': { name: 'part-size', value: same },
  's3-upload-concurrency': { name: 'parallel', value: same },
  contimeout: { name: 'connect-timeout', value: seconds },
  timeout: { name: 'read-timeout', value: seconds },
  'low-level-retries': { name: 'retries', value: same },
}

export interface LegacyOption {
  /** As recipes write it. */
  name: string
  /** The value with its unit. */
  value: (text: string) => string
}

function same(text: string): string {
  return text
}

function seconds(text: string): string {
  return /^\d+$/.test(text) ? `${text}s` : text
}

const mebi = 1024 ** 2

/** s3fs counts it in MB, and guides give bytes. */
function multipartSize(text: string): string {
  if (!/^\d+$/.test(text)) return text
  const count = Number(text)
  return count > 5120 ? `${Math.round(count / mebi)}MiB` : `${count}MiB`
}
