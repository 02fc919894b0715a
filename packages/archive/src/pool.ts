import { Worker } from 'node:worker_threads'
import { BerthError, errorFacts, type ErrorFacts } from '@berth/core/error'

/** A message to a worker and its answer. Errors cross as facts: a thrown class would arrive without its code. */
export type WorkerAnswer<Result> = { result: Result } | { error: ErrorFacts }

export interface Pool<Task, Result> {
  readonly size: number
  /** Runs the task on a free worker, or waits for one. `transfer` gives buffers away without a copy. */
  run(task: Task, transfer?: readonly ArrayBuffer[]): Promise<Result>
  /** Ends the workers; tasks under way are rejected. */
  close(): Promise<void>
}

interface Job<Task, Result> {
  task: Task
  transfer: readonly ArrayBuffer[]
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * A few threads that work synchronously: fewer and busier than async I/O (pnpm's model). Threads start when there is work. A worker that
 * dies rejects its task and is not replaced: the operation as a whole fails and says so.
 */
export function createPool<Task, Result>(script: URL, size: number): Pool<Task, Result> {
  const waiting: Job<Task, Result>[] = []
  const idle: Worker[] = []
  const running = new Map<Worker, Job<Task, Result>>()
  const workers: Worker[] = []
  let closed = false
  let broken: Error | undefined

  function startWorker(): Worker {
    const worker = new Worker(script)
    // A thread that ends without a word has crashed, unless we ended it.
    worker.on('message', (answer: WorkerAnswer<Result>) => finish(worker, answer))
    worker.on('error', (error) => fail(worker, error))
    worker.on('exit', () => fail(worker, new Error('a worker thread ended')))
    workers.push(worker)
    return worker
  }

  function finish(worker: Worker, answer: WorkerAnswer<Result>): void {
    const job = running.get(worker)
    running.delete(worker)
    if ('error' in answer) job?.reject(revive(answer.error))
    else job?.resolve(answer.result)
    idle.push(worker)
    dispatch()
  }

  function fail(worker: Worker, error: Error): void {
    running.get(worker)?.reject(error)
    running.delete(worker)
    const index = idle.indexOf(worker)
    if (index >= 0) idle.splice(index, 1)
    const started = workers.indexOf(worker)
    if (started >= 0) workers.splice(started, 1)
    broken ??= error
    if (workers.length === 0) for (const job of waiting.splice(0)) job.reject(error)
  }

  function dispatch(): void {
    while (waiting.length > 0 && (idle.length > 0 || workers.length < size)) {
      const job = waiting.shift() as Job<Task, Result>
      const worker = idle.pop() ?? startWorker()
      running.set(worker, job)
      worker.postMessage(job.task, job.transfer as ArrayBuffer[])
    }
  }

  return {
    size,
    run(task, transfer = []) {
      if (closed || broken !== undefined) {
        return Promise.reject(broken ?? new Error('the worker pool is closed'))
      }
      return new Promise((resolve, reject) => {
        waiting.push({ task, transfer, resolve, reject })
        dispatch()
      })
    },
    async close() {
      closed = true
      for (const job of waiting.splice(0)) job.reject(new Error('the worker pool is closed'))
      await Promise.all([...workers].map((worker) => worker.terminate()))
    },
  }
}

/** An error as facts, in a worker. */
export function wrapError(error: unknown): ErrorFacts {
  const facts = errorFacts(error)
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' && facts.code === 'core/bug' ? { ...facts, code } : facts
}

function revive(facts: ErrorFacts): Error {
  if (facts.code.includes('/') && facts.code !== 'core/bug') {
    return new BerthError(
      facts.code,
      facts.message,
      facts.hint === undefined ? {} : { hint: facts.hint },
    )
  }
  return Object.assign(new Error(facts.message), { code: facts.code, stack: facts.stack })
}
