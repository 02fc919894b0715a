import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PipelineName, StepResult } from '../event.ts'
import type { Facts } from '../plugin/outcome.ts'
import { stateProblem } from '../recipe/state-problem.ts'

/** What later steps can see of a step. */
export interface StepRecord {
  outputs: Facts
  result: StepResult
}

export type StepRecords = Record<string, StepRecord>

export interface OutputFile {
  /** The steps that a pipeline can see, of this process and of earlier ones: its own and, for a shutdown, those of the boot. */
  read: (pipeline?: PipelineName) => Promise<StepRecords>
  record: (pipeline: PipelineName, step: string, record: StepRecord) => Promise<void>
  /** Forgets steps: a boot must not see the outputs of the container's last life. */
  forget: (pipeline: PipelineName, steps: readonly string[]) => Promise<void>
}

type Content = Partial<Record<PipelineName, StepRecords>>

/**
 * The steps' outputs on the disk, `<stateDirectory>/steps.json`, so that a shutdown in another process has them. The file is replaced
 * atomically and readable only by its owner; what isn't JSON counts as empty. Throws `core/state-not-written`.
 */
export function outputFile(stateDirectory: string): OutputFile {
  const file = join(stateDirectory, 'steps.json')
  // At once: nothing else of this process may come between the reading and the writing.
  const change = async (pipeline: PipelineName, edit: (records: StepRecords) => StepRecords) => {
    // Read again before each write: a periodic save of another process may have added its own.
    const content = readContent(file)
    writeContent(file, { ...content, [pipeline]: edit(content[pipeline] ?? {}) })
  }
  return {
    read: async (pipeline = 'boot') => {
      const content = readContent(file)
      return { ...(pipeline === 'shutdown' ? content.boot : {}), ...content[pipeline] }
    },
    record: (pipeline, step, record) =>
      change(pipeline, (records) => ({ ...records, [step]: record })),
    forget: (pipeline, steps) =>
      change(pipeline, (records) =>
        Object.fromEntries(Object.entries(records).filter(([step]) => !steps.includes(step))),
      ),
  }
}

function readContent(file: string): Content {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { steps?: Content }).steps ?? {}
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error)) {
      return {}
    }
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function writeContent(file: string, steps: Content): void {
  const temporary = `${file}.${process.pid}.tmp`
  const text = `${JSON.stringify({ version: 1, steps }, undefined, 2)}\n`
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(temporary, text, { mode: 0o600 })
    renameSync(temporary, file)
  } catch (error) {
    throw stateProblem(file, error)
  }
}
