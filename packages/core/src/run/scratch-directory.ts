import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stateProblem } from '../recipe/state-problem.ts'

/**
 * Makes a directory of its owner's with small files, and gives its path. It lies in the state directory; where that can't be written, in
 * memory or among the temporary files, because on a full disk a shutdown still has to run its scripts. At once, because each of these
 * small steps would else wait for its turn among those of other steps. Throws `core/state-not-written`.
 */
export function makeScratchDirectory(
  stateDirectory: string,
  name: string,
  files: Readonly<Record<string, string>>,
): string {
  const preferred = join(stateDirectory, 'commands')
  let problem: unknown
  for (const parent of [preferred, '/dev/shm', tmpdir()]) {
    try {
      if (parent === preferred) mkdirSync(parent, { recursive: true, mode: 0o700 })
      return fillDirectory(mkdtempSync(join(parent, `${name}-`)), files)
    } catch (error) {
      problem ??= error
    }
  }
  throw stateProblem(preferred, problem)
}

function fillDirectory(directory: string, files: Readonly<Record<string, string>>): string {
  try {
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(directory, name), text, { mode: 0o600 })
    }
    return directory
  } catch (error) {
    rmSync(directory, { recursive: true, force: true })
    throw error
  }
}
