import { type FileHandle, open, rename } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BerthEvent } from '@berth/core'
import { readStat } from '../supervisor/process-table.ts'
import type { SupervisorId } from '../supervisor/life-file.ts'
import { keptBoots, parseRecord, readRecord, recordFile, rotateRecords } from './record-file.ts'
import type { RecordLeftOut, RecordLine } from './record-line.ts'
import { thinRecord } from './thin-record.ts'

/** What a SIGKILL may cost. */
const flushMs = 200

/** A bar's latest state is enough for whoever asks how far it is. */
const progressMs = 1000

/** Between two writes this many of the latest lines of a step are kept: what comes faster nobody reads. */
const keptWaiting = 400

/** A line of a minified file or a progress bar of a program's own. */
const longestText = 2000

/** A record that grew to this is thinned to half of it. */
const mostBytes = 2 * 1024 * 1024

/** A state directory that hangs must not hold up the end of the pod. */
const closePatienceMs = 300

/** A life that its own supervisor did not put away. */
interface ResumedLife {
  mainLives: boolean
  supervisor: SupervisorId | undefined
  /** No other has begun since. */
  isLast: boolean
}

type OutputEvent = Extract<BerthEvent, { type: 'step:log' }>

/**
 * Writes a boot's events, as they are printed, to `events.jsonl` in the state directory: in the background, a few times a second, so that
 * whoever reports never waits. Bounded in memory and on the disk. A disk that is full costs the record and nothing else.
 */
export class Recorder {
  #directory: string
  /** Which record of the directory it is: 0 but for a life that a later boot, refused, came behind. */
  #boot = 0
  #mostBytes: number
  #waiting: RecordLine[] = []
  #waitingOf = new Map<string, number>()
  #bars = new Map<string, number>()
  #handle: FileHandle | undefined
  #bytes = 0
  /** A record that can't be thinned is not read again before it has doubled. */
  #thinAt: number
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  private constructor(directory: string, most: number) {
    this.#directory = directory
    this.#mostBytes = most
    this.#thinAt = most
  }

  /** Begins the record of a boot; those before it keep their place in the history. Never throws: a pod without a record is better than none. */
  static begin(stateDirectory: string, recipe: string, most = mostBytes): Recorder {
    const recorder = new Recorder(stateDirectory, most)
    try {
      rotateRecords(stateDirectory)
    } catch {
      // What follows is appended to the last boot's, and told apart by its first line.
    }
    const { pid } = process
    const startTime = readStat(pid)?.startTime ?? ''
    const time = Date.now()
    recorder.#push({ type: 'record:start', time, version: 1, file: recipe, pid, startTime })
    // Whose record it is must be known of the shortest life too.
    clearTimeout(recorder.#timer)
    recorder.#flush()
    return recorder
  }

  /**
   * Goes on with the record of a boot, for a shutdown that its own supervisor did not live to run. Where that can't be found it is the last
   * one's if `isLast`, else there is none any more.
   */
  static async resume(
    stateDirectory: string,
    { mainLives, supervisor, isLast }: ResumedLife,
  ): Promise<Recorder | undefined> {
    const boot = await bootOf(stateDirectory, supervisor)
    if (boot === undefined && !isLast) return undefined
    const recorder = new Recorder(stateDirectory, mostBytes)
    recorder.#boot = boot ?? 0
    recorder.#push({ type: 'record:take-over', time: Date.now(), mainLives })
    return recorder
  }

  /** Takes an event, masked already. Costs next to nothing. */
  report(event: BerthEvent): void {
    if (event.type === 'step:progress' && !this.#isDue(event)) return
    if (event.type === 'step:end') this.#bars.clear()
    this.#push(event)
  }

  /** Resolves when everything is on its way to the disk, or after a moment when the disk hangs. `code` is the pod's exit code. */
  async close(code: number | undefined): Promise<void> {
    if (code !== undefined) this.#push({ type: 'record:end', time: Date.now(), code })
    clearTimeout(this.#timer)
    const flushed = (async () => {
      await this.#writing
      await this.#write()
      await this.#handle?.close()
    })()
    await Promise.race([flushed.catch(() => {}), sleep(closePatienceMs, undefined, { ref: false })])
  }

  #push(line: RecordLine): void {
    this.#waiting.push(line)
    if (isOutput(line)) this.#shorten(line.step)
    this.#timer ??= setTimeout(() => this.#flush(), flushMs).unref()
  }

  #isDue({ step, progress, time }: Extract<BerthEvent, { type: 'step:progress' }>): boolean {
    const key = `${step}\n${progress.label ?? ''}`
    const isDue = time - (this.#bars.get(key) ?? Number.NEGATIVE_INFINITY) >= progressMs
    if (isDue) this.#bars.set(key, time)
    return isDue || progress.done === progress.total
  }

  /** Drops the oldest waiting lines of a step, many at once, when there are twice as many as are kept. */
  #shorten(step: string): void {
    const count = (this.#waitingOf.get(step) ?? 0) + 1
    this.#waitingOf.set(step, count)
    if (count < 2 * keptWaiting) return
    let lines = count - keptWaiting
    const leftOut: RecordLeftOut = { type: 'record:left-out', time: Date.now(), step, lines }
    this.#waiting = this.#waiting.flatMap((line): RecordLine[] => {
      if (!isOutput(line) || line.step !== step || lines === 0) return [line]
      lines -= 1
      return lines === 0 ? [leftOut] : []
    })
    this.#waitingOf.set(step, keptWaiting)
  }

  #flush(): void {
    this.#timer = undefined
    // A write that hangs must not gather more behind it.
    if (this.#writing !== undefined) {
      this.#timer = setTimeout(() => this.#flush(), flushMs).unref()
      return
    }
    this.#writing = this.#write()
      .catch(async () => {
        await this.#handle?.close().catch(() => {})
        this.#handle = undefined
      })
      .finally(() => {
        this.#writing = undefined
      })
  }

  async #write(): Promise<void> {
    const lines = this.#waiting.splice(0)
    this.#waitingOf.clear()
    if (lines.length === 0) return
    this.#handle ??= await this.#open()
    const text = lines.map((line) => `${JSON.stringify(clipped(line))}\n`).join('')
    await this.#handle.appendFile(text)
    this.#bytes += Buffer.byteLength(text)
    if (this.#bytes > this.#thinAt) await this.#thin(this.#handle)
  }

  async #open(): Promise<FileHandle> {
    const handle = await open(recordFile(this.#directory, this.#boot), 'a+', 0o600)
    const { size } = await handle.stat()
    this.#bytes = size
    if (size === 0) return handle
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
    // Closes a line that a kill or a full disk cut off.
    if (buffer.toString() !== '\n') await handle.appendFile('\n')
    return handle
  }

  async #thin(handle: FileHandle): Promise<void> {
    const file = recordFile(this.#directory, this.#boot)
    const lines = parseRecord(await readWhole(handle, this.#bytes))
    const text = thinRecord(lines, this.#mostBytes / 2)
      .map((line) => `${JSON.stringify(line)}\n`)
      .join('')
    const thin = await open(`${file}.thin`, 'w+', 0o600)
    try {
      await thin.appendFile(text)
      await rename(`${file}.thin`, file)
    } catch (error) {
      await thin.close()
      throw error
    }
    await handle.close()
    this.#handle = await this.#open().finally(() => thin.close())
    this.#thinAt = Math.max(this.#mostBytes, 2 * this.#bytes)
  }
}

/** Which of the records is that of a supervisor; undefined where none is known to be. */
async function bootOf(
  stateDirectory: string,
  sought: SupervisorId | undefined,
): Promise<number | undefined> {
  for (let boot = 0; sought !== undefined && boot < keptBoots; boot += 1) {
    const lines = await readRecord(stateDirectory, boot).catch(() => undefined)
    const start = lines?.findLast((line) => line.type === 'record:start')
    if (start?.pid === sought.pid && start.startTime === sought.startTime) return boot
  }
  return undefined
}

async function readWhole(handle: FileHandle, size: number): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0)
  return buffer.toString('utf8', 0, bytesRead)
}

function isOutput(line: RecordLine): line is OutputEvent {
  return line.type === 'step:log'
}

function clipped(line: RecordLine): RecordLine {
  if (line.type !== 'step:log' || line.text.length <= longestText) return line
  return { ...line, text: `${line.text.slice(0, longestText)}…` }
}
