import { parentPort, workerData } from 'node:worker_threads'
import { type WorkerAnswer, wrapError } from './pool.ts'
import { END, type WorkerStart } from './threads.ts'
import type { RestoreTask, RestoreTaskResult } from '../restore/restore-work.ts'
import type { SaveTask, SaveTaskResult } from '../save/save-work.ts'

export type Task = SaveTask | RestoreTask
export type TaskResult = SaveTaskResult | RestoreTaskResult

/** Both halves are loaded when the first task needs them: a restore never pays for the tar package. */
async function perform(task: Task): Promise<TaskResult> {
  switch (task.kind) {
    case 'scan': {
      const { performScan } = await import('../scan/scan-work.ts')
      return performScan(task)
    }
    case 'hash-files':
    case 'hash-segments':
    case 'make-group':
    case 'make-segment': {
      const { performSave } = await import('../save/save-work.ts')
      return performSave(task)
    }
    default: {
      const { performRestore } = await import('../restore/restore-work.ts')
      return performRestore(task)
    }
  }
}

const { isOver, purpose } = workerData as WorkerStart
if (purpose === 'restore') void import('../restore/restore-work.ts')
if (purpose === 'save') void import('../save/save-work.ts')

// One after another, whatever a task waits for: some continue what the one before began.
let last: Promise<void> = Promise.resolve()
parentPort?.on('message', (task: Task | typeof END) => {
  last = last.then(() => answerTo(task))
})

async function answerTo(task: Task | typeof END): Promise<void> {
  if (task === END || Atomics.load(isOver, 0) === 1) return parentPort?.close()
  const answer: WorkerAnswer<TaskResult> = await perform(task).then(
    (result) => ({ result }),
    (error: unknown) => ({ error: wrapError(error) }),
  )
  const data = 'result' in answer && 'data' in answer.result ? answer.result.data : undefined
  parentPort?.postMessage(answer, data?.buffer instanceof ArrayBuffer ? [data.buffer] : [])
}
