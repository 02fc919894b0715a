import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { onAbort } from '../restore/abort.ts'
import { BerthError, errorFacts, type ErrorFacts } from '@berth/core/error'

/** A message to a worker and its answer. Errors cross as facts: a thrown class would arrive without its code. */
export type WorkerAnswer<Result> = { result: Result } | { error: ErrorFacts }

/** What a worker is started with. */
export interface WorkerStart {
  /** Not 0 when nothing that was asked is of use any more. */
  isOver: Int32Array
  script: string
  /** Where the main thread keeps compiled modules, if it does. */
  compileCache: string | undefined
}

/** Asks a worker to end by itself. A task that was sent before, to a thread that had not started yet, is not begun any more. */
export const END = 'end'

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

// Nearly every task takes less.
const END_PATIENCE_MS = 600
const TERMINATION_MS = 300

const START = new URL('./worker-start.mjs', import.meta.url)

// What a thread works on lies in buffers; its heap only ever sees small objects that die at once.
const YOUNG = { maxYoungGenerationSizeMb: 3 }

interface Thread<Task, Result> {
  worker: Worker
  ended: Promise<void>
  isStarted: boolean
  /** Tasks that only this thread may do. */
  own: Job<Task, Result>[]
  /** Tasks that were sent and not answered, in order. */
  running: Job<Task, Result>[]
}

/**
 * A few threads that work synchronously: fewer and busier than async I/O (pnpm's model). Threads start when there is work. A worker that
 * dies rejects its task and is not replaced: the operation as a whole fails and says so. When the signal aborts, all tasks are rejected.
 * `depth` tasks are sent to a thread at once: with 2 it needn't wait for the main thread between short ones.
 */
export function createPool<Task, Result>(
  script: URL,
  size: number,
  signal?: AbortSignal,
  depth = 1,
): ThreadPool<Task, Result> {
  const waiting: Job<Task, Result>[] = []
  const threads: Thread<Task, Result>[] = []
  const isOver = new Int32Array(new SharedArrayBuffer(4))
  let broken: unknown

  function startThread(): Thread<Task, Result> {
    const thread = openThread<Task, Result>(script, isOver)
    const { worker } = thread
    worker.on('message', (answer: WorkerAnswer<Result>) => finish(thread, answer))
    worker.on('error', breakWith)
    // A thread that ends without a word has crashed, unless it was asked to.
    worker.on('exit', () => breakWith(new Error('a worker thread ended')))
    threads.push(thread)
    return thread
  }

  function finish(thread: Thread<Task, Result>, answer: WorkerAnswer<Result>): void {
    settle(thread.running.shift(), answer)
    dispatch()
  }

  /** Nothing is of use any more when one task is lost. */
  function breakWith(error: unknown): void {
    broken ??= error
    Atomics.store(isOver, 0, 1)
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

  function send(thread: Thread<Task, Result>, job: Job<Task, Result>): void {
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
        return (threads[number % size] as Thread<Task, Result>).own
      }),
    async close() {
      unlisten()
      breakWith(new Error('the worker pool is closed'))
      await endThreads(threads)
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

function openThread<Task, Result>(script: URL, isOver: Int32Array): Thread<Task, Result> {
  const cache = getCompileCacheDir()
  const workerData: WorkerStart = {
    isOver,
    script: script.href,
    // Node's answer is the directory of its own version, below the one that it was given.
    compileCache: cache && dirname(cache),
  }
  const worker = new Worker(START, { workerData, resourceLimits: YOUNG })
  const ended = new Promise<void>((resolve) => worker.on('exit', () => resolve()))
  const thread: Thread<Task, Result> = { worker, ended, isStarted: false, own: [], running: [] }
  worker.on('online', () => (thread.isStarted = true))
  return thread
}

type AnyThread = Pick<Thread<unknown, unknown>, 'worker' | 'ended' | 'isStarted'>

async function endThreads(threads: readonly AnyThread[]): Promise<void> {
  for (const { worker } of threads) worker.postMessage(END)
  const ended = threads.map((thread) => thread.ended)
  if (await isOverIn(END_PATIENCE_MS, ended)) return
  for (const { worker, isStarted } of threads) {
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
