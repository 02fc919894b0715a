import { rmSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** The real path of a new, empty directory. It is removed after the test, or with the process when no test runs. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(await realpath(tmpdir()), 'berth-test-'))
  try {
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
  } catch {
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  }
  return directory
}
