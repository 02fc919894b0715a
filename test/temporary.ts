import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'

/** A temporary directory for all that one run of tests makes, removed when the run is over; what is mounted in it stays. */
export function setup(): () => void {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-tests-'))
  // Some tests act as another user.
  fs.chmodSync(directory, 0o755)
  process.env['TMPDIR'] = directory
  return () => {
    execFileSync('rm', ['-rf', '--one-file-system', directory], { stdio: 'inherit' })
  }
}
