import { Worker } from 'node:worker_threads'
import type { FileFacts } from './file-facts.ts'
import type { ReadAnswer, ReadQuestion } from './reader-thread.ts'

/** A small file as a whole. */
export interface ReadFile {
  facts: FileFacts
  sha256: string
  md5: string | undefined
  body: Uint8Array
  /** To be called when the body is not needed any more. */
  release: () => void
}

interface Thread {
  worker: Worker
  asked: number
  /** What it has lent, and nobody needs any more. */
  buffers: ArrayBuffer[]
}

const MOST_THREADS = 2
const IDLE_MS = 20_000

/** Reads and hashes files in threads of its own, which are started when they are needed and end when they are not. */
export class FileReader {
  /** The service tells no SHA-256 of what it took, so that the MD5 has to be compared. */
  wantsMd5 = false
  private readonly threads: Thread[] = []
  private readonly waiting = new Map<
    number,
    {
      thread: Thread
      resolve: (answer: ReadAnswer['result']) => void
      reject: (error: Error) => void
    }
  >()
  private lastId = 0
  private idle: NodeJS.Timeout | undefined

  /** Throws what the file system says against it; the code of the errno is in the error's `code`. */
  async read(
    path: Buffer,
    mostBytes: number,
    signal?: AbortSignal,
  ): Promise<ReadFile | Extract<ReadAnswer['result'], string>> {
    const thread = this.choose()
    const id = ++this.lastId
    const buffers = thread.buffers.splice(0)
    const named = { id, path: path.toString('latin1'), mostBytes, buffers }
    const question: ReadQuestion = { ...named, wantsMd5: this.wantsMd5 }
    const result = await new Promise<ReadAnswer['result']>((resolve, reject) => {
      this.waiting.set(id, { thread, resolve, reject })
      thread.asked += 1
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      thread.worker.postMessage(question, buffers)
    })
    if (typeof result === 'string') return result
    if ('code' in result) throw Object.assign(new Error(result.message), { code: result.code })
    const { facts, sha256, md5, buffer } = result
    const release = (): void => {
      if (!thread.buffers.includes(buffer)) thread.buffers.push(buffer)
    }
    return { facts, sha256, md5, body: new Uint8Array(buffer, 0, facts.size), release }
  }

  async close(): Promise<void> {
    clearTimeout(this.idle)
    const ended = this.threads.splice(0)
    await Promise.all(ended.map(({ worker }) => worker.terminate()))
  }

  private choose(): Thread {
    clearTimeout(this.idle)
    const least = this.threads.toSorted((a, b) => a.asked - b.asked)[0]
    if (least !== undefined && (least.asked === 0 || this.threads.length >= MOST_THREADS))
      return least
    const worker = new Worker(new URL('./reader-thread.ts', import.meta.url))
    const thread: Thread = { worker, asked: 0, buffers: [] }
    worker.unref()
    worker.on('message', ({ id, result }: ReadAnswer) => {
      this.settle(id)?.resolve(result)
    })
    // Of a thread that ends, by itself or because it was told to, what it was asked has no answer.
    worker.on('messageerror', (error) => this.lose(thread, error))
    worker.on('error', (error) => this.lose(thread, error as Error))
    worker.on('exit', () => this.lose(thread, new Error('a thread that reads files has ended')))
    this.threads.push(thread)
    return thread
  }

  private settle(id: number) {
    const asked = this.waiting.get(id)
    if (asked === undefined) return undefined
    this.waiting.delete(id)
    asked.thread.asked -= 1
    if (this.waiting.size === 0) this.idle = setTimeout(() => void this.close(), IDLE_MS).unref()
    return asked
  }

  private lose(thread: Thread, error: Error): void {
    const at = this.threads.indexOf(thread)
    if (at !== -1) this.threads.splice(at, 1)
    for (const [id, asked] of this.waiting)
      if (asked.thread === thread) this.settle(id)?.reject(error)
  }
}
