import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stateProblem } from '../recipe/state-problem.ts'

/**
 * Makes a directory of its owner's with small files, and gives its path. It lies in the state directory; where that can't be written, in
 * memory or among the temporary files, because on a full disk a shutdown still has to run its scripts. Throws `core/state-not-written`.
 */
export async function makeScratchDirectory(
  stateDirectory: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const preferred = join(stateDirectory, 'commands')
  let problem: unknown
  for (const parent of [preferred, '/dev/shm', tmpdir()]) {
    try {
      if (parent === preferred) await mkdir(parent, { recursive: true, mode: 0o700 })
      return await fillDirectory(await mkdtemp(join(parent, `${name}-`)), files)
    } catch (error) {
      problem ??= error
    }
  }
  throw stateProblem(preferred, problem)
}

async function fillDirectory(
  directory: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  try {
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(directory, name), text, { mode: 0o600 })
    }
    return directory
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}
