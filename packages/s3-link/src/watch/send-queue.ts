import { isBerthError } from '@berth/core/error'
import type { FileStore } from '@berth/object-store'
import { keyOf, pathOf } from '../upload/key.ts'
import { FileReader } from '../upload/file-reader.ts'
import { Pacer } from '../upload/pacer.ts'
import { sendFile } from '../upload/send-file.ts'
import type { Journal } from './journal.ts'
import { Lanes } from './lanes.ts'
import { placeOf } from './scan-folder.ts'
import type { WaitingFiles } from './waiting-files.ts'
import type { WatchTuning } from './watch.ts'
import { Tempo } from './tempo.ts'
import { retryDelayMs, type WaitingFile } from './watched-file.ts'

export interface SendQueueSettings {
  root: string
  store: FileStore
  prefix: string
  journal: Journal
  waiting: WaitingFiles
  bigTransfers: number
  bigFileBytes: number
  /** Something ended, and there may be more to do. */
  wake: () => void
}

// What stops every file, not this one.
const storeWide = [
  'unreachable',
  'server-error',
  'bad-credentials',
  'no-credentials',
  'access-denied',
  'no-such-bucket',
  'wrong-region',
  'clock-skew',
  'no-room',
].map((problem) => `object-store/${problem}`)
const mebibyte = 1024 * 1024
const MEMORY_BYTES = 128 * mebibyte
const MAX_SEND_MS = 600_000
const LOOKS = 8
const BULK_FILES = 12
const MAX_PAUSE_MS = 30_000
const RATE_MS = 30_000
const EAGER_MS = 500

/** Sends files that are queued, a few at a time, and tries again for ever what failed. */
export class SendQueue {
  /** S3 as a whole says no: one file is tried now and then. */
  pause:
    | { code: string; message: string; hint: string; attempts: number; until: number }
    | undefined
  sentFiles = 0
  sentBytes = 0
  /** Names of which nothing is sent for now. */
  readonly withheld = new Set<string>()
  /** Nothing new is begun, by order. */
  isPaused = false
  private readonly settings: SendQueueSettings
  private readonly lanes: Lanes
  private readonly tempo = new Tempo()
  /** For when there is a lot to send; one file alone is read as soon as threads are started. */
  private readonly reader = new FileReader()
  /** Of files that were there before, whether S3 had something under their names. */
  private readonly looks: boolean[] = []
  private transfers: number | undefined
  private pacer: Pacer | undefined
  private isEager = false
  private readonly stopped = new AbortController()
  private readonly running = new Set<Promise<void>>()
  private recent: { at: number; bytes: number }[] = []

  constructor(settings: SendQueueSettings) {
    this.settings = settings
    const { bigTransfers, bigFileBytes } = settings
    this.lanes = new Lanes({
      small: this.tempo.width,
      big: bigTransfers,
      bigBytes: bigFileBytes,
      memoryBytes: MEMORY_BYTES,
    })
  }

  adjust({ isPaused = false, transfers, bytesPerSecond }: WatchTuning): void {
    this.isPaused = isPaused
    this.transfers = transfers
    this.pacer?.lift()
    this.pacer = bytesPerSecond === undefined ? undefined : new Pacer(bytesPerSecond)
  }

  /** Starts what there is room for. With `eager` nothing waits long for its next try, or for its share of a limited rate. */
  pump(now: number, eager: boolean): void {
    const { pause } = this
    this.isEager = eager
    if (eager) this.pacer?.lift()
    if (this.isPaused && !eager) return
    if (pause !== undefined) {
      if (eager) pause.until = Math.min(pause.until, now + EAGER_MS)
      if (this.lanes.busy > 0 || now < pause.until) return
    }
    const queued: WaitingFile[] = []
    for (const file of this.settings.waiting.all.values()) {
      if (eager) file.dueAt = Math.min(file.dueAt, now + EAGER_MS)
      if (file.state === 'failing' && (pause !== undefined || file.dueAt <= now))
        file.state = 'queued'
      if (file.state === 'queued' && !this.withheld.has(file.name)) queued.push(file)
    }
    this.lanes.width = this.transfers ?? this.tempo.width
    this.lanes.fill(pause === undefined ? queued : queued.slice(0, 1))
    this.startNext()
  }

  private startNext(): void {
    for (const { file, done } of this.lanes.take()) {
      const isWanted = this.settings.waiting.all.get(file.name) === file
      if (isWanted && !this.withheld.has(file.name)) this.start(file, done)
      else done()
    }
  }

  /** Bytes in a second, of late. */
  rate(now: number): number {
    this.recent = this.recent.filter(({ at }) => now - at < RATE_MS)
    const [first] = this.recent
    if (first === undefined) return 0
    const bytes = this.recent.reduce((sum, sent) => sum + sent.bytes, 0)
    return (bytes * 1000) / Math.max(1000, now - first.at)
  }

  /** Ends what is under way; parts that have arrived stay, for the next time. */
  async stop(): Promise<void> {
    this.stopped.abort(new Error('the watch was closed'))
    await Promise.all(this.running)
    await this.reader.close()
  }

  private start(file: WaitingFile, done: () => void): void {
    file.state = 'sending'
    file.wasHeard = false
    const sending = this.send(file)
      .catch((error: unknown) => this.fail(file, error))
      .finally(() => {
        done()
        this.running.delete(sending)
        const mayGoOn = this.pause === undefined && !this.isPaused && !this.stopped.signal.aborted
        if (mayGoOn && this.lanes.length > 0) this.startNext()
        else this.settings.wake()
      })
    this.running.add(sending)
  }

  private async send(file: WaitingFile): Promise<void> {
    const { root, store, prefix, journal, waiting } = this.settings
    const { name } = file
    const place = prefix === '' ? '' : `${prefix}/`
    const result = await sendFile({
      store,
      path: placeOf(root, name),
      key: place + keyOf(pathOf(name), 1024 - Buffer.byteLength(place)),
      known: (facts) => waiting.recordOf(name, facts),
      looksFirst: file.isOld && this.isLookWorth(),
      upload: journal.uploads.get(name),
      saveUpload: (upload) => journal.setUpload(name, upload),
      reader: this.isBulk() ? this.reader : undefined,
      pace: (size) => this.waitForShare(size),
      signal: this.signalFor(file),
    })
    const now = performance.now()
    this.resume()
    if (typeof result !== 'string') {
      const { facts, sha256, key, etag, isConflict, bytes } = result
      if (file.isOld) this.looks.push(bytes === 0 || isConflict)
      const provenAt = Date.now()
      journal.prove(name, { facts, sha256, key, etag, isConflict, provenAt, place: 'here' })
      this.sentFiles++
      this.sentBytes += bytes
      this.recent.push({ at: now, bytes })
      this.tempo.sent(bytes, { now, isBusy: this.lanes.length > 0 })
    }
    file.failure = undefined
    file.attempts = 0
    // It may have been changed, or removed, while it was sent.
    await waiting.release(file, now)
  }

  /** What hangs, wherever that is, is given up and tried again; a big file makes progress part by part, and has its own limits. */
  private signalFor({ facts }: WaitingFile): AbortSignal {
    const { signal } = this.stopped
    if (facts.size > this.settings.bigFileBytes || this.pacer !== undefined) return signal
    return AbortSignal.any([signal, AbortSignal.timeout(MAX_SEND_MS)])
  }

  /** Threads take a while to start. */
  private isBulk(): boolean {
    return this.lanes.busy + this.lanes.length >= BULK_FILES
  }

  /** A look saves a body where S3 has the file, and is for nothing where it has none of them. */
  private isLookWorth(): boolean {
    const last = this.looks.slice(-LOOKS)
    return last.length < LOOKS || last.includes(true)
  }

  private async waitForShare(bytes: number): Promise<void> {
    if (!this.isEager) await this.pacer?.take(bytes, this.stopped.signal)
  }

  private fail(file: WaitingFile, error: unknown): void {
    file.state = 'queued'
    if (this.stopped.signal.aborted) return
    const now = performance.now()
    file.attempts++
    file.state = 'failing'
    file.dueAt = now + retryDelayMs(file.attempts)
    const failure = isBerthError(error)
      ? { code: error.code, message: error.message }
      : {
          code: 's3-link/cannot-send',
          message: error instanceof Error ? error.message : String(error),
        }
    file.failure = failure
    if (!storeWide.includes(failure.code)) return
    this.tempo.refused()
    // What was under way when the first was refused says the same.
    if (this.pause !== undefined && now < this.pause.until) return
    const attempts = (this.pause?.attempts ?? 0) + 1
    const until = now + Math.min(MAX_PAUSE_MS, retryDelayMs(attempts))
    const hint = (isBerthError(error) ? error.hint : undefined) ?? ''
    this.pause = { ...failure, hint, attempts, until }
  }

  private resume(): void {
    if (this.pause === undefined) return
    this.pause = undefined
    for (const file of this.settings.waiting.all.values())
      if (file.state === 'failing') file.dueAt = 0
  }
}
