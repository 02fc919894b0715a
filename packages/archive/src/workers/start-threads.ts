import { workerCount } from '../venv/machine.ts'
import { type Purpose, Threads, WORKER } from './threads.ts'

/** Starts the threads of one operation before all else that it needs is loaded and asked: they take as long as that. */
export function startThreads(purpose: Purpose): Threads {
  const threads = new Threads(WORKER, purpose)
  threads.start(workerCount())
  return threads
}
