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

/** The init that would be taken, where there is one. */
export function findInit(): string | undefined {
  return startableInits().next().value?.file
}

function* startableInits(): Generator<{ file: string; args: readonly string[] }, undefined> {
  for (const { name, args } of inits) {
    const file = findExecutable(name, furtherDirectories)
    // A failed execve aborts the process in Node 24, so the init must have shown that it starts.
    const starts = file !== undefined && spawnSync(file, ['--version'], { stdio: 'ignore' })
    if (file !== undefined && starts !== false && starts.status === 0) yield { file, args }
  }
}

/**
 * As PID 1, becomes the child of a minimal init, because Node leaves every adopted orphan a zombie. Does not return when one is
 * found; returns `unavailable` when none is, and `unneeded` when this is not PID 1.
 */
export function handOverToInit(): 'unneeded' | 'unavailable' {
  if (process.pid !== 1) return 'unneeded'
  for (const { file, args } of startableInits()) {
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
