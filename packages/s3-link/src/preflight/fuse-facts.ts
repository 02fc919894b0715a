import type { Machine } from './machine.ts'

/** What decides whether this process may mount, as the system says it. */
export interface FuseFacts {
  /** Why /dev/fuse can't be opened: an error's name, or empty. */
  deviceError: string
  /** CAP_SYS_ADMIN, in effect and to be had by a setuid program. */
  mayMount: boolean
  couldMount: boolean
  noNewPrivileges: boolean
  /** Why a small file system could not be mounted on a trial: an error's name, or empty where it could, or nobody tried. */
  trialError: string
  /** The profile of the host that confines this process, where it is enforced; empty without one. */
  profile: string
  /** The setuid helpers of FUSE 2 and FUSE 3. */
  helpers: { fusermount: boolean; fusermount3: boolean }
  isRoot: boolean
  /** `user_allow_other` in /etc/fuse.conf. */
  othersAllowed: boolean
  programs: { s3fs: ProgramFacts | undefined; rclone: ProgramFacts | undefined }
  /** Whether the kernel's list of FUSE connections can be read, which only a diagnosis needs. */
  seesConnections: boolean
  /** A sandbox in which a mount often can't work, for information: `gVisor`, `Kata`, `a user namespace`; empty for none. */
  sandbox: string
}

/** A program that mounts buckets. */
export interface ProgramFacts {
  path: string
  /** `1.90`; empty where it does not say, or was not asked. */
  version: string
  /** The FUSE that it was built for, as its own file says. */
  fuse: 2 | 3 | undefined
}

export interface FactsQuestion {
  /** Mounts a tmpfs on a folder of its own for a moment: only that shows what seccomp and AppArmor forbid. */
  tries: boolean
  /** Also asks rclone for its version, which takes a tenth of a second. */
  asksAll: boolean
}

const SYS_ADMIN = 1n << 21n

/** One process that goes on when we are ended: what it mounts, it also unmounts. */
const trial =
  'd=$(mktemp -d) || exit 0; mount -t tmpfs -o size=4k,mode=700 berth-trial "$d"; code=$?; umount "$d" 2>/dev/null; rmdir "$d"; exit $code'

/** Asks the machine, the cheapest first. */
export async function readFuseFacts(machine: Machine, question: FactsQuestion): Promise<FuseFacts> {
  const status = machine.read('/proc/self/status')
  const deviceError = machine.openError('/dev/fuse')
  const mayMount = hasBit(status, 'CapEff')
  const isWorthATrial = question.tries && deviceError === '' && mayMount
  const helpers = {
    fusermount: machine.findHelper('fusermount') !== undefined,
    fusermount3: machine.findHelper('fusermount3') !== undefined,
  }
  // Which of the two rclone starts is a matter of its version.
  const asksRclone = question.asksAll || helpers.fusermount !== helpers.fusermount3
  const [trialError, s3fs, rclone] = await Promise.all([
    isWorthATrial ? tryMount(machine) : '',
    readProgram(machine, 's3fs', true),
    readProgram(machine, 'rclone', asksRclone),
  ])
  return {
    deviceError,
    mayMount,
    couldMount: hasBit(status, 'CapBnd'),
    noNewPrivileges: /^NoNewPrivs:\s*1/m.test(status),
    trialError,
    profile: profileIn(machine.read('/proc/self/attr/current')),
    helpers,
    isRoot: machine.uid === 0,
    othersAllowed: /^\s*user_allow_other\s*$/m.test(machine.read('/etc/fuse.conf')),
    programs: { s3fs, rclone },
    seesConnections: machine.openError('/sys/fs/fuse/connections') !== 'ENOENT',
    sandbox: sandboxOf(machine),
  }
}

function hasBit(status: string, name: string): boolean {
  const [, hex] = new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(status) ?? []
  return hex !== undefined && (BigInt(`0x${hex}`) & SYS_ADMIN) !== 0n
}

/** `mount` says EPERM and EACCES in words of its own. */
async function tryMount(machine: Machine): Promise<string> {
  const { result, code, said } = await machine.run(['sh', '-c', trial], 5_000)
  if (result === 'late' || code === 0 || code === 127) return ''
  if (/read-only|write-protected/i.test(said)) return 'EACCES'
  return /permission denied|not permitted|must be superuser/i.test(said) ? 'EPERM' : said
}

/** `docker-default (enforce)`. */
function profileIn(text: string): string {
  const [, name = ''] = /^([^\0\n]+?) \(enforce\)/.exec(text) ?? []
  return name
}

async function readProgram(
  machine: Machine,
  name: 's3fs' | 'rclone',
  asks: boolean,
): Promise<ProgramFacts | undefined> {
  const path = machine.findProgram(name)
  if (path === undefined) return undefined
  const said = asks ? (await machine.run([path, '--version'], 5_000)).said : ''
  const [, version = ''] = /\bv(\d+(?:\.\d+)+)/i.exec(said) ?? []
  return { path, version, fuse: name === 's3fs' ? fuseOf(machine.read(path)) : undefined }
}

function fuseOf(program: string): 2 | 3 | undefined {
  if (program.includes('libfuse3.so')) return 3
  return program.includes('libfuse.so.2') ? 2 : undefined
}

function sandboxOf(machine: Machine): string {
  // gVisor shows the same kernel to everyone.
  if (
    /gVisor|^Linux version 4\.4\.0 #1 SMP Sun Jan 10 15:06:54 PST 2016/.test(
      machine.read('/proc/version'),
    )
  ) {
    return 'gVisor'
  }
  if (/kata-containers\.target|\bagent\.log=/.test(machine.read('/proc/cmdline'))) return 'Kata'
  const map = machine.read('/proc/self/uid_map').trim()
  return map === '' || /^0\s+0\s+4294967295$/.test(map) ? '' : 'a user namespace'
}
