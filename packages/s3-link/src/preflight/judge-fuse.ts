import { BerthError } from '@berth/core/error'
import type { FuseFacts, ProgramFacts } from './fuse-facts.ts'

/** What a mount needs beyond being possible. */
export interface MountNeeds {
  /** Other users are to look inside. */
  others: boolean
  sessionToken: boolean
}

const grant =
  'start the container with `--device /dev/fuse --cap-add SYS_ADMIN`; `driver: watch` needs neither'

const deviceProblems: Record<string, [code: string, why: string, hint: string]> = {
  ENOENT: [
    's3-link/fuse-no-device',
    'this container has no /dev/fuse, as on RunPod, whose pods may not mount',
    grant,
  ],
  EPERM: ['s3-link/fuse-cgroup', '/dev/fuse is there, but this container may not use it', grant],
  EACCES: [
    's3-link/fuse-not-permitted',
    'this user may not open /dev/fuse',
    'run as root, or `chmod 666 /dev/fuse`',
  ],
  ENODEV: [
    's3-link/fuse-no-module',
    'the kernel of this machine has no FUSE',
    'load the module `fuse` on the host',
  ],
  ENXIO: [
    's3-link/fuse-no-module',
    'the kernel of this machine has no FUSE',
    'load the module `fuse` on the host',
  ],
}

/**
 * Why this process may not mount, whatever the driver: the root cause first, empty when nothing speaks against it. The cheapest and most
 * telling question comes first, and what only follows from another problem is not said.
 */
export function judgeFuse(facts: FuseFacts, { others }: Pick<MountNeeds, 'others'>): BerthError[] {
  if (facts.deviceError !== '') {
    const [code, why, hint] = deviceProblems[facts.deviceError] ?? [
      's3-link/fuse-no-device',
      `/dev/fuse can’t be opened: ${facts.deviceError}`,
      grant,
    ]
    return [problem(code, why, hint)]
  }
  const problems = [...judgeRights(facts), ...judgeTrial(facts)]
  if (others && !facts.isRoot && !facts.othersAllowed) {
    problems.push(
      problem(
        's3-link/fuse-allow-other',
        'only root may let other users look into a mount',
        'add `user_allow_other` to /etc/fuse.conf, or leave out `allow-other`',
      ),
    )
  }
  return problems
}

function judgeRights({ mayMount, couldMount, noNewPrivileges }: FuseFacts): BerthError[] {
  if (mayMount) return []
  if (!couldMount) {
    return [problem('s3-link/fuse-no-capability', 'this container lacks CAP_SYS_ADMIN', grant)]
  }
  if (!noNewPrivileges) return []
  return [
    problem(
      's3-link/fuse-no-new-privileges',
      'the helper that mounts may not gain privileges here',
      'start the container without `no-new-privileges`',
    ),
  ]
}

function judgeTrial({ trialError, profile }: FuseFacts): BerthError[] {
  if (trialError === '') return []
  if (trialError === 'EACCES') {
    const name = profile === '' ? '' : ` (\`${profile}\`)`
    return [
      problem(
        's3-link/fuse-apparmor',
        `a security profile of the host${name} forbids mounting, as a trial showed`,
        'start the container with `--security-opt apparmor=unconfined`',
      ),
    ]
  }
  if (trialError === 'EPERM') {
    return [
      problem(
        's3-link/fuse-seccomp',
        'the system calls that mount are filtered, as a trial showed',
        'start the container with `--security-opt seccomp=unconfined`, or a profile that allows `mount`',
      ),
    ]
  }
  return [problem('s3-link/fuse-no-mount', `a trial showed that it fails: ${trialError}`, grant)]
}

/** Why one driver can't be used here though mounting is possible, the root cause first. */
export function judgeDriver(
  name: 's3fs' | 'rclone',
  facts: FuseFacts,
  { sessionToken }: Pick<MountNeeds, 'sessionToken'>,
): BerthError[] {
  const program = facts.programs[name]
  if (program === undefined) {
    return [
      problem(
        's3-link/no-driver',
        `${name} is not installed`,
        `install it: \`apt-get install ${name} fuse3\``,
      ),
    ]
  }
  const problems: BerthError[] = []
  const helper = missingHelper(name, facts, program)
  if (helper !== undefined) {
    const from = helper === 'fusermount' ? 'fuse` or `fuse3' : 'fuse3'
    problems.push(
      problem(
        's3-link/fuse-no-helper',
        `\`${helper}\` is not installed, which ${name} mounts with`,
        `install the package \`${from}\``,
      ),
    )
  }
  if (sessionToken && name === 's3fs' && !isAtLeast(program.version, [1, 90])) {
    problems.push(
      problem(
        's3-link/session-token',
        `s3fs ${program.version || 'of an unknown version'} does not take keys with a session token`,
        'use `driver: rclone` or `driver: watch`, s3fs 1.90 or newer, or keys that last',
      ),
    )
  }
  return problems
}

/** What is said of a version that works, and is known to have lost data. */
export function warnOfVersion(
  name: 's3fs' | 'rclone',
  { version }: ProgramFacts,
): string | undefined {
  if (name === 'rclone') return undefined
  if (version === '') return 's3fs does not say its version; it is taken for an old one'
  if (isAtLeast(version, [1, 95])) return undefined
  return `s3fs ${version} is older than 1.95, which mends a use of freed memory and a deadlock; keep room free on the disk, or use rclone or watch`
}

/** s3fs mounts by itself where it may; rclone always asks a helper, since 1.62 (with bazil/fuse#298) that of FUSE 3. */
function missingHelper(
  name: 's3fs' | 'rclone',
  { helpers, mayMount }: FuseFacts,
  { fuse, version }: ProgramFacts,
): 'fusermount' | 'fusermount3' | undefined {
  if (helpers.fusermount && helpers.fusermount3) return undefined
  if (name === 's3fs' && mayMount) return undefined
  const isOld = name === 's3fs' ? fuse === 2 : version !== '' && !isAtLeast(version, [1, 62])
  const wanted = isOld ? 'fusermount' : 'fusermount3'
  return helpers[wanted] ? undefined : wanted
}

/** Of two numbers at least; an unknown version is older than any. */
function isAtLeast(version: string, [major, minor]: [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

function problem(code: string, why: string, hint: string): BerthError {
  return new BerthError(code, `could not mount: ${why}`, { hint })
}
