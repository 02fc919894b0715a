import { spawnSync } from 'node:child_process'
import { findExecutable } from './find-executable.ts'

/** Minimal inits, best first, with the arguments that make each run one command and pass signals to it alone. */
const inits: readonly { name: string; args: readonly string[] }[] = [
  { name: 'tini', args: ['--'] },
  { name: 'tini-static', args: ['--'] },
  { name: 'docker-init', args: ['--'] },
  { name: 'catatonit', args: ['--'] },
  { name: 'dumb-init', args: ['--single-child', '--'] },
]

/** Where podman brings its own. */
const furtherDirectories = ['/usr/libexec/podman']

/**
 * As PID 1, becomes the child of a minimal init, because Node leaves every adopted orphan a zombie. Does not return when one is
 * found; returns `unavailable` when none is, and `unneeded` when this is not PID 1.
 */
export function handOverToInit(): 'unneeded' | 'unavailable' {
  if (process.pid !== 1) return 'unneeded'
  for (const { name, args } of inits) {
    const file = findExecutable(name, furtherDirectories)
    // A failed execve aborts the process in Node 24, so the init must have shown that it starts.
    if (file === undefined || spawnSync(file, ['--version'], { stdio: 'ignore' }).status !== 0)
      continue
    process.removeAllListeners('warning')
    process.execve?.(file, [
      file,
      ...args,
      process.execPath,
      ...process.execArgv,
      ...process.argv.slice(1),
    ])
  }
  return 'unavailable'
}
