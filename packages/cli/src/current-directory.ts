import { statSync } from 'node:fs'
import { BerthError } from '@berth/core/error'

/** The directory that the command was called in. Throws `cli/no-directory` when it is there no more. */
export function currentDirectory(): string {
  try {
    return process.cwd()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new BerthError(
      'cli/no-directory',
      'the current directory was removed or replaced since the shell went into it',
      { hint: 'go into it again: `cd "$PWD"`, or into another one', cause },
    )
  }
}

/** Whether another directory, or none, has its name by now: a shell that stands in it does not notice. */
export function isReplaced(directory: string): boolean {
  const here = statSync('.', { throwIfNoEntry: false })
  const named = statSync(directory, { throwIfNoEntry: false })
  return here === undefined || here.ino !== named?.ino || here.dev !== named.dev
}
