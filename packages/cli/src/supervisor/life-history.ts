import { setTimeout as sleep } from 'node:timers/promises'
import type { NewEvent, PipelineResult } from '@berth/core'
import { formatDuration } from '../reporters/format.ts'
import {
  addHistory,
  failedBoots,
  type HistoryLine,
  type HistoryPlace,
  historyPlace,
  readHistory,
} from './history.ts'
import type { RecipeFacts } from './protocol.ts'
import { slowShutdownWarning } from './shutdown-forecast.ts'

/** A volume that takes longer to answer says nothing of earlier lives. */
const answerMs = 2000

interface Known {
  place: HistoryPlace
  lines: readonly HistoryLine[]
}

/**
 * Writes this life into the history, and says what the earlier ones mean for it. What can't be written is a warning. It lies on a volume,
 * which may hang: the supervisor waits for that only where a failed boot is counted, and not for long.
 */
export class LifeHistory {
  #known: Promise<Known>
  #emit: (event: NewEvent) => void
  #recipe: RecipeFacts | undefined
  #own: HistoryLine[] = []
  #writing: Promise<void> = Promise.resolve()
  #isKept = true

  constructor(
    { env, stateDirectory }: { env: NodeJS.ProcessEnv; stateDirectory: string },
    emit: (event: NewEvent) => void,
  ) {
    this.#known = readKnown(env, stateDirectory)
    this.#emit = emit
  }

  /** Before the boot: warns of shutdowns that took too long, and of a budget that could not be counted. */
  begin(recipe: RecipeFacts): void {
    this.#recipe = recipe
    const { name, graceMs, holdAfter } = recipe
    void this.#known.then(({ place, lines }) => {
      const warning = slowShutdownWarning(lines, { recipe: name, graceMs })
      if (warning !== undefined) this.#warn(warning)
      if (holdAfter !== undefined && !place.isLasting) {
        this.#warn(
          `failed boots are counted in ${place.file}, which a restart of the container may wipe: set BERTH_HISTORY_DIR, or NETWORK_VOLUME, to a directory that outlives one`,
        )
      }
    })
  }

  booted(result: PipelineResult, durationMs: number): void {
    // One that was cancelled says nothing of the next.
    if (result !== 'cancelled') this.#add({ kind: 'boot', result, durationMs })
  }

  shutDown(result: PipelineResult, durationMs: number, isHurried: boolean): void {
    const graceMs = this.#recipe?.graceMs ?? 0
    this.#add({ kind: 'shutdown', result, durationMs, graceMs, isHurried })
  }

  /** After a boot that failed: why the container is held though its recipe would end it, or `undefined` while it may be started again. */
  async reasonToHold(): Promise<string | undefined> {
    const { holdAfter, pod = '' } = this.#recipe ?? {}
    if (holdAfter === undefined) return undefined
    const { failures, withinMs } = holdAfter
    const known = await Promise.race([this.#known, sleep(answerMs, undefined)])
    const lines = [...(known?.lines ?? []), ...this.#own]
    const count = failedBoots(lines, pod, Date.now() - withinMs)
    if (count < failures) return undefined
    return `the boot failed ${count} times within ${formatDuration(withinMs)}, and would fail again; stop this pod, or repair it and restart it`
  }

  /** Resolves when everything is written, or can't be; never where the volume hangs. */
  get written(): Promise<void> {
    return this.#writing
  }

  #add(line: DistributiveOmit<HistoryLine, 'time' | 'pod' | 'recipe'>): void {
    if (this.#recipe === undefined) return
    const { pod, name } = this.#recipe
    const whole: HistoryLine = { time: Date.now(), pod, recipe: name, ...line }
    this.#own.push(whole)
    this.#writing = this.#writing.then(() => this.#write(whole))
  }

  async #write(line: HistoryLine): Promise<void> {
    if (!this.#isKept) return
    try {
      const { place } = await this.#known
      await addHistory(place.file, line)
    } catch (error) {
      this.#isKept = false
      this.#warn(`could not write the history of this pod: ${(error as Error).message}`)
    }
  }

  #warn(text: string): void {
    this.#emit({ type: 'note', level: 'warn', text })
  }
}

async function readKnown(env: NodeJS.ProcessEnv, stateDirectory: string): Promise<Known> {
  const place = await historyPlace(env, stateDirectory)
  return { place, lines: await readHistory(place.file) }
}

type DistributiveOmit<Line, Keys extends PropertyKey> = Line extends unknown
  ? Omit<Line, Keys>
  : never
