import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { StepResult } from './event.ts'
import type { Facts } from './outcome.ts'

/** What later steps can see of a step. */
export interface StepRecord {
  outputs: Facts
  result: StepResult
}

export interface OutputFile {
  /** Every step that has ended, of this process and of earlier ones. */
  read: () => Promise<Record<string, StepRecord>>
  record: (step: string, record: StepRecord) => Promise<void>
  /** Forgets everything: a boot must not see the outputs of the container's last life. */
  clear: () => Promise<void>
}

/**
 * The steps' outputs on the disk, `<stateDirectory>/steps.json`, so that a shutdown in another process has them. The file is
 * replaced atomically and readable only by its owner. What isn't JSON counts as empty.
 */
export function outputFile(stateDirectory: string): OutputFile {
  const file = join(stateDirectory, 'steps.json')
  let last: Promise<void> = Promise.resolve()
  const inOrder = (action: () => Promise<void>): Promise<void> => {
    const written = last.then(action)
    last = written.catch(() => {})
    return written
  }
  return {
    read: async () => {
      await last
      return readRecords(file)
    },
    // Read again before each write: a periodic save of another process may have added its own.
    record: (step, record) =>
      inOrder(async () => writeRecords(file, { ...(await readRecords(file)), [step]: record })),
    clear: () => inOrder(() => writeRecords(file, {})),
  }
}

async function readRecords(file: string): Promise<Record<string, StepRecord>> {
  try {
    const parsed = JSON.parse(await readFile(file, 'utf8')) as {
      steps?: Record<string, StepRecord>
    }
    return parsed.steps ?? {}
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT')
      return {}
    throw error
  }
}

async function writeRecords(file: string, steps: Record<string, StepRecord>): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.${process.pid}.tmp`
  await writeFile(temporary, `${JSON.stringify({ version: 1, steps }, undefined, 2)}\n`, {
    mode: 0o600,
  })
  await rename(temporary, file)
}
