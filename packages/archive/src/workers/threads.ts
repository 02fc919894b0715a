import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'

/** What a thread is started with. */
export interface WorkerStart {
  /** Not 0 when nothing that was asked is of use any more. */
  isOver: Int32Array
  script: string
  /** Where the main thread keeps compiled modules, if it does. */
  compileCache: string | undefined
  /** What it will be for, if that is known: its half of the code is loaded at once. */
  purpose: Purpose | undefined
}

export type Purpose = 'restore' | 'save'

/** Asks a worker to end by itself. A task that was sent before, to a thread that had not started yet, is not begun any more. */
export const END = 'end'

export interface Thread {
  worker: Worker
  isStarted: boolean
  ended: Promise<void>
  /** Resolves with the reason when it ends for whatever reason: one that ends without a word has crashed, unless it was asked to. */
  over: Promise<unknown>
}

// Nearly every task takes less.
const END_PATIENCE_MS = 600
const TERMINATION_MS = 300

/** The script of every thread here. */
export const WORKER = new URL('./worker.ts', import.meta.url)

const START = new URL('./worker-start.mjs', import.meta.url)

// What a thread works on lies in buffers; its heap only ever sees small objects that die at once.
const YOUNG = { maxYoungGenerationSizeMb: 3 }

/** Threads that run one script, for one pool; they can be started before there is one. */
export class Threads implements AsyncDisposable {
  readonly isOver = new Int32Array(new SharedArrayBuffer(4))
  private readonly script: URL
  private readonly purpose: Purpose | undefined
  private readonly open: Thread[] = []
  private readonly waiting: Thread[] = []

  constructor(script: URL, purpose?: Purpose) {
    this.script = script
    this.purpose = purpose
  }

  /** Starts so many, for whoever takes them. */
  start(count: number): void {
    while (this.open.length < count) {
      const thread = this.openThread()
      this.open.push(thread)
      this.waiting.push(thread)
    }
  }

  /** One that was started, or a new one. */
  take(): Thread {
    if (this.waiting.length === 0) this.start(this.open.length + 1)
    return this.waiting.shift() as Thread
  }

  /** Ends them. Takes a second at most, whatever one of them hangs in. */
  async [Symbol.asyncDispose](): Promise<void> {
    Atomics.store(this.isOver, 0, 1)
    await endThreads(this.open)
  }

  private openThread(): Thread {
    const cache = getCompileCacheDir()
    return openThread({
      isOver: this.isOver,
      script: this.script.href,
      // Node's answer is the directory of its own version, below the one that it was given.
      compileCache: cache && dirname(cache),
      purpose: this.purpose,
    })
  }
}

function openThread(workerData: WorkerStart): Thread {
  const worker = new Worker(START, { workerData, resourceLimits: YOUNG })
  const ended = new Promise<void>((resolve) => worker.on('exit', () => resolve()))
  const over = new Promise((resolve) => {
    worker.on('error', resolve)
    worker.on('exit', () => resolve(new Error('a worker thread ended')))
  })
  const thread: Thread = { worker, isStarted: false, ended, over }
  worker.on('online', () => (thread.isStarted = true))
  return thread
}

async function endThreads(threads: readonly Thread[]): Promise<void> {
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
