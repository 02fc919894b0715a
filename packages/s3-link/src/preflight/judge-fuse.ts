import { BerthError } from '@berth/core/error'
import type { FuseFacts } from './fuse-facts.ts'

const grant = 'start the container with `--device /dev/fuse --cap-add SYS_ADMIN`'

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
 * Why this process may not mount, the root cause first; empty when nothing speaks against it. The cheapest and most telling question comes
 * first, and what only follows from another problem is not said.
 */
export function judgeFuse(facts: FuseFacts, wantsOthers: boolean): BerthError[] {
  if (facts.deviceError !== '') {
    const [code, why, hint] = deviceProblems[facts.deviceError] ?? [
      's3-link/fuse-no-device',
      `/dev/fuse can’t be opened: ${facts.deviceError}`,
      grant,
    ]
    return [problem(code, why, hint)]
  }
  const problems: BerthError[] = []
  if (!facts.mayMount) {
    if (!facts.couldMount) {
      problems.push(
        problem('s3-link/fuse-no-capability', 'this container lacks CAP_SYS_ADMIN', grant),
      )
    } else if (facts.noNewPrivileges) {
      problems.push(
        problem(
          's3-link/fuse-no-new-privileges',
          'the helper that mounts may not gain privileges here',
          'start the container without `no-new-privileges`',
        ),
      )
    }
  }
  if (!facts.helper) {
    problems.push(
      problem(
        's3-link/fuse-no-helper',
        '`fusermount3` is not installed',
        'install it: `apt-get install fuse3`',
      ),
    )
  }
  if (wantsOthers && !facts.isRoot && !facts.othersAllowed) {
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

function problem(code: string, why: string, hint: string): BerthError {
  return new BerthError(code, `could not mount: ${why}`, { hint })
}
