import { availableParallelism, loadavg } from 'node:os'
import { workerCount } from '../venv/machine.ts'
import { type ThreadPool, createPool } from '../workers/pool.ts'
import { WORKER } from '../workers/threads.ts'
import type { ScanHelpers } from '../scan/scan.ts'
import type { ContentTask, SaveTask, SaveTaskResult } from './save-work.ts'

export type SavePool = Omit<ThreadPool<SaveTask, SaveTaskResult>, 'runOn'> &
  Pick<ScanHelpers, 'areFree'>

// Less than a thread takes to start.
const SMALL_BYTES = 512 * 1024

/** The threads of a save. A few small files are done in this one: that is over before a thread has started. */
export function createSavePool(signal: AbortSignal | undefined): SavePool {
  const pool = createPool<SaveTask, SaveTaskResult>(WORKER, workerCount(), signal)
  let closed: Promise<void> | undefined
  return {
    size: pool.size,
    // On a busy machine a further thread takes its time from this one, and more than it gives.
    areFree: (loadavg()[0] ?? 0) < availableParallelism(),
    run: async (task) => {
      if (!isSmall(task)) return pool.run(task)
      signal?.throwIfAborted()
      const { performSave } = await import('./save-work.ts')
      return performSave(task)
    },
    start: () => pool.start(),
    close: () => (closed ??= pool.close()),
  }
}

function isSmall(task: SaveTask): task is ContentTask {
  return (task.kind === 'make-group' || task.kind === 'hash-files') && task.bytes <= SMALL_BYTES
}
