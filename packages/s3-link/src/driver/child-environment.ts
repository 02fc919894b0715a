/**
 * The whole environment of a daemon. Nothing of the pod's own gets in: it holds the tokens of others, and variables that daemons take for
 * theirs (rclone 1.60 refuses to start with `AWS_CA_BUNDLE`).
 */
export function childEnvironment(home: string): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: home,
    LC_ALL: 'C.UTF-8',
  }
}
