import { onAbort } from '../restore/abort.ts'
import { BerthError, errorFacts, type ErrorFacts } from '@berth/core/error'
import { type Thread, Threads } from './threads.ts'

/** A message to a worker and its answer. Errors cross as facts: a thrown class would arrive without its code. */
export type WorkerAnswer<Result> = { result: Result } | { error: ErrorFacts }

export interface Pool<Task, Result> {
  readonly size: number
  /** Runs the task on a free worker, or waits for one. */
  run(task: Task): Promise<Result>
  /** Ends the workers; tasks under way are rejected. Takes a second at most, whatever a worker hangs in. */
  close(): Promise<void>
}

/** A pool whose threads can be told apart. */
export interface ThreadPool<Task, Result> extends Pool<Task, Result> {
  /** Runs the task on the worker with this number, before what waits for any, and in the order of the calls. */
  runOn(worker: number, task: Task): Promise<Result>
  /** Starts all threads, so that they are there when the first task comes. */
  start(): void
}

interface Job<Task, Result> {
  task: Task
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

interface BusyThread<Task, Result> extends Pick<Thread, 'worker'> {
  /** Tasks that only this thread may do. */
  own: Job<Task, Result>[]
  /** Tasks that were sent and not answered, in order. */
  running: Job<Task, Result>[]
}

/**
 * A few threads that work synchronously: fewer and busier than async I/O (pnpm's model). Threads start when there is work. A worker that
 * dies rejects its task and is not replaced: the operation as a whole fails and says so. When the signal aborts, all tasks are rejected.
 * `depth` tasks are sent to a thread at once: with 2 it needn't wait for the main thread between short ones. Threads that are
 * there already belong to the pool from then on.
 */
export function createPool<Task, Result>(
  script: URL | Threads,
  size: number,
  signal?: AbortSignal,
  depth = 1,
): ThreadPool<Task, Result> {
  const crew = script instanceof Threads ? script : new Threads(script)
  const waiting: Job<Task, Result>[] = []
  const threads: BusyThread<Task, Result>[] = []
  let broken: unknown

  function startThread(): BusyThread<Task, Result> {
    const { worker, over } = crew.take()
    const thread: BusyThread<Task, Result> = { worker, own: [], running: [] }
    worker.on('message', (answer: WorkerAnswer<Result>) => finish(thread, answer))
    void over.then(breakWith)
    threads.push(thread)
    return thread
  }

  function finish(thread: BusyThread<Task, Result>, answer: WorkerAnswer<Result>): void {
    settle(thread.running.shift(), answer)
    dispatch()
  }

  /** Nothing is of use any more when one task is lost. */
  function breakWith(error: unknown): void {
    broken ??= error
    Atomics.store(crew.isOver, 0, 1)
    const jobs = threads.flatMap(({ own, running }) => [...running.splice(0), ...own.splice(0)])
    for (const job of [...jobs, ...waiting.splice(0)]) job.reject(broken)
  }

  /** Each thread gets its first task before any gets its second. */
  function dispatch(): void {
    for (let most = 1; most <= depth; most++) {
      for (const thread of threads) {
        if (thread.running.length >= most) continue
        const job = thread.own.shift() ?? waiting.shift()
        if (job !== undefined) send(thread, job)
      }
      while (most === 1 && waiting.length > 0 && threads.length < size)
        send(startThread(), waiting.shift() as Job<Task, Result>)
    }
  }

  function send(thread: BusyThread<Task, Result>, job: Job<Task, Result>): void {
    thread.running.push(job)
    thread.worker.postMessage(job.task)
  }

  function queue(task: Task, choose: () => Job<Task, Result>[]): Promise<Result> {
    if (broken !== undefined) return Promise.reject(broken)
    return new Promise((resolve, reject) => {
      choose().push({ task, resolve, reject })
      dispatch()
    })
  }

  const unlisten = onAbort(signal, () => breakWith(signal?.reason))

  return {
    size,
    start: () => {
      while (broken === undefined && threads.length < size) startThread()
    },
    run: (task) => queue(task, () => waiting),
    runOn: (number, task) =>
      queue(task, () => {
        while (threads.length <= number % size) startThread()
        return (threads[number % size] as BusyThread<Task, Result>).own
      }),
    async close() {
      unlisten()
      breakWith(new Error('the worker pool is closed'))
      await crew[Symbol.asyncDispose]()
    },
  }
}

function settle<Task, Result>(
  job: Job<Task, Result> | undefined,
  answer: WorkerAnswer<Result>,
): void {
  if ('error' in answer) job?.reject(revive(answer.error))
  else job?.resolve(answer.result)
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
