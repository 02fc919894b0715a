import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { BerthError } from '../error.ts'

/** Where programs are searched when the environment has no `PATH`. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export interface FoundShell {
  name: 'bash' | 'sh'
  /** The program and the flags that make it stop at the first failure; a script's file or `-c` comes next. */
  command: [string, ...string[]]
}

/**
 * The shell that runs a step: bash where it is wanted and installed, else sh. It reads no start-up files: bash would take a standard input
 * that isn't a terminal for a remote login and source `~/.bashrc`. Throws `core/no-shell`.
 */
export function findShell(path: string, wanted: 'bash' | 'sh' = 'bash'): FoundShell {
  const bash = wanted === 'bash' ? findProgram('bash', path) : undefined
  if (bash !== undefined) {
    return { name: 'bash', command: [bash, '--noprofile', '--norc', '-eo', 'pipefail'] }
  }
  const sh = findProgram('sh', path)
  if (sh !== undefined) return { name: 'sh', command: [sh, '-e'] }
  throw new BerthError(
    'core/no-shell',
    `could not find a shell: neither bash nor sh is in PATH, which is \`${path}\``,
    { hint: 'install a shell in the image, or correct `PATH`' },
  )
}

/** The absolute path of a program that may be executed, or `undefined`. */
export function findProgram(name: string, path: string = DEFAULT_PATH): string | undefined {
  return path
    .split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find(isProgram)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
