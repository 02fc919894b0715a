import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** What decides whether this process may mount, as the system says it. */
export interface FuseFacts {
  /** Why /dev/fuse can't be opened: an error's name, or empty. */
  deviceError: string
  /** CAP_SYS_ADMIN, in effect and to be had by a setuid program. */
  mayMount: boolean
  couldMount: boolean
  noNewPrivileges: boolean
  /** Whether fusermount3 or fusermount is installed. */
  helper: boolean
  isRoot: boolean
  /** `user_allow_other` in /etc/fuse.conf. */
  othersAllowed: boolean
  /** Programs that are installed. */
  programs: { s3fs: boolean; rclone: boolean }
}

const SYS_ADMIN = 1n << 21n

/** Asks the system; mounts nothing. Programs are searched in `path`. */
export function readFuseFacts(path: string | undefined): FuseFacts {
  const status = readText('/proc/self/status')
  const isThere = (name: string) => find(name, path)
  return {
    deviceError: deviceError('/dev/fuse'),
    mayMount: hasBit(status, 'CapEff'),
    couldMount: hasBit(status, 'CapBnd'),
    noNewPrivileges: /^NoNewPrivs:\s*1/m.test(status),
    helper: isThere('fusermount3') || isThere('fusermount'),
    isRoot: process.getuid?.() === 0,
    othersAllowed: /^\s*user_allow_other\s*$/m.test(readText('/etc/fuse.conf')),
    programs: { s3fs: isThere('s3fs'), rclone: isThere('rclone') },
  }
}

function hasBit(status: string, name: string): boolean {
  const [, hex] = new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(status) ?? []
  return hex !== undefined && (BigInt(`0x${hex}`) & SYS_ADMIN) !== 0n
}

function deviceError(path: string): string {
  try {
    closeSync(openSync(path, constants.O_RDWR))
    return ''
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function find(name: string, path: string | undefined): boolean {
  const folders = [
    ...(path ?? '').split(delimiter),
    '/usr/local/bin',
    '/usr/bin',
    '/bin',
    '/usr/sbin',
  ]
  return folders.filter(Boolean).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
