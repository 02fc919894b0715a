import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { onTestFinished } from 'vitest'

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
