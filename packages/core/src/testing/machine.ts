import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** True, or why this user can't mount. Tries it. */
export function mayMount(): true | string {
  const place = mkdtempSync(join(tmpdir(), 'berth-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', place], { stdio: 'pipe' })
    execFileSync('umount', ['--lazy', place])
    return true
  } catch {
    return 'this user may not mount'
  } finally {
    rmSync(place, { recursive: true })
  }
}

/** True, or why `python3 -m venv` would make none. */
export function hasVenv(): true | string {
  try {
    execFileSync('python3', ['-c', 'import ensurepip, venv'], { stdio: 'ignore' })
    return true
  } catch {
    return 'python3 with venv is not installed'
  }
}
