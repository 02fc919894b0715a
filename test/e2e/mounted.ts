import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { onTestFinished } from 'vitest'

/** True, or why this user can't mount. */
export function mayMount(): true | string {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-mount-'))
  try {
    mount(place, 'size=1m')
    umount(place)
    return true
  } catch {
    return 'this user may not mount'
  } finally {
    fs.rmdirSync(place)
  }
}

/** A file system of its own, in memory, until the test ends. */
export function mountTmpfs(place: string, options: string): void {
  fs.mkdirSync(place, { recursive: true })
  mount(place, options)
  onTestFinished(() => umount(place))
}

function mount(place: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'berth-e2e', place], { stdio: 'pipe' })
}

function umount(place: string): void {
  execFileSync('umount', ['--lazy', place])
}
