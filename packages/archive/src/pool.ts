import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { BerthError, errorFacts, type ErrorFacts } from '@berth/core/error'

/** A message to a worker and its answer. Errors cross as facts: a thrown class would arrive without its code. */
export type WorkerAnswer<Result> = { result: Result } | { error: ErrorFacts }

/** Asks a worker to end by itself. A task that was sent before, to a thread that had not started yet, is not begun any more. */
export const END = 'end'

export interface Pool<Task, Result> {
  readonly size: number
  /** Runs the task on a free worker, or waits for one. */
  run(task: Task): Promise<Result>
  /** Ends the workers; tasks under way are rejected. Takes a second at most, whatever a worker hangs in. */
  close(): Promise<void>
}

interface Job<Task, Result> {
  task: Task
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

const starter = new URL('./start-worker.mjs', import.meta.url)

/** Where this process caches what it compiled, for `enableCompileCache`, which adds a directory for Node's version; empty for nowhere. */
function compileCache(): string {
  const directory = getCompileCacheDir()
  return directory === undefined ? '' : dirname(directory)
}

// Nearly every task takes less.
const END_PATIENCE_MS = 600
const TERMINATION_MS = 300

/**
 * A few threads that work synchronously: fewer and busier than async I/O (pnpm's model). Threads start when there is work. A worker that
 * dies rejects its task and is not replaced: the operation as a whole fails and says so. When the signal aborts, all tasks are rejected.
 */
export function createPool<Task, Result>(
  script: URL,
  size: number,
  signal?: AbortSignal,
): Pool<Task, Result> {
  const waiting: Job<Task, Result>[] = []
  const idle: Worker[] = []
  const running = new Map<Worker, Job<Task, Result>>()
  const workers = new Map<Worker, Thread>()
  const isOver = new Int32Array(new SharedArrayBuffer(4))
  let broken: unknown

  function startWorker(): Worker {
    const worker = new Worker(starter, { workerData: isOver, argv: [compileCache(), script.href] })
    worker.on('message', (answer: WorkerAnswer<Result>) => finish(worker, answer))
    worker.on('error', (error) => lose(worker, error))
    const exit = new Promise<void>((resolve) => worker.on('exit', () => resolve()))
    // A thread that ends without a word has crashed, unless it was asked to.
    const ended = exit.then(() => lose(worker, new Error('a worker thread ended')))
    const thread: Thread = { ended, isStarted: false }
    worker.on('online', () => (thread.isStarted = true))
    workers.set(worker, thread)
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

  function lose(worker: Worker, error: Error): void {
    workers.delete(worker)
    const index = idle.indexOf(worker)
    if (index >= 0) idle.splice(index, 1)
    breakWith(error)
  }

  /** Nothing is of use any more when one task is lost. */
  function breakWith(error: unknown): void {
    broken ??= error
    Atomics.store(isOver, 0, 1)
    for (const job of [...running.values(), ...waiting.splice(0)]) job.reject(broken)
    running.clear()
  }

  function dispatch(): void {
    while (waiting.length > 0 && (idle.length > 0 || workers.size < size)) {
      const job = waiting.shift() as Job<Task, Result>
      const worker = idle.pop() ?? startWorker()
      running.set(worker, job)
      worker.postMessage(job.task)
    }
  }

  const abort = (): void => breakWith(signal?.reason)
  if (signal?.aborted === true) abort()
  else signal?.addEventListener('abort', abort, { once: true })

  return {
    size,
    run(task) {
      if (broken !== undefined) return Promise.reject(broken)
      return new Promise((resolve, reject) => {
        waiting.push({ task, resolve, reject })
        dispatch()
      })
    },
    async close() {
      signal?.removeEventListener('abort', abort)
      breakWith(new Error('the worker pool is closed'))
      await endWorkers([...workers])
    },
  }
}

interface Thread {
  ended: Promise<void>
  isStarted: boolean
}

async function endWorkers(workers: [Worker, Thread][]): Promise<void> {
  for (const [worker] of workers) worker.postMessage(END)
  const ended = workers.map(([, thread]) => thread.ended)
  if (await isOverIn(END_PATIENCE_MS, ended)) return
  for (const [worker, { isStarted }] of workers) {
    // To terminate a thread while it starts has crashed all of V8; it does nothing any more, and ends when it has started.
    if (isStarted) void worker.terminate()
    else worker.unref()
  }
  // A thread in a system call that never returns can't be ended at all.
  await isOverIn(TERMINATION_MS, ended)
}

async function isOverIn(patienceMs: number, promises: Promise<void>[]): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), patienceMs)
  })
  const isOver = await Promise.race([Promise.all(promises).then(() => true), late])
  clearTimeout(timer)
  return isOver
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
