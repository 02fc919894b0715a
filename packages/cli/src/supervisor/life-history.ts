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

/** Writes this life into the history, and says what the earlier ones mean for it. What can't be written is a warning. */
export class LifeHistory {
  #place: HistoryPlace
  #emit: (event: NewEvent) => void
  #recipe: RecipeFacts | undefined
  #isKept = true

  constructor(
    { env, stateDirectory }: { env: NodeJS.ProcessEnv; stateDirectory: string },
    emit: (event: NewEvent) => void,
  ) {
    this.#place = historyPlace(env, stateDirectory)
    this.#emit = emit
  }

  /** Before the boot: warns of shutdowns that took too long, and of a budget that could not be counted. */
  begin(recipe: RecipeFacts): void {
    this.#recipe = recipe
    const { name, graceMs, holdAfter } = recipe
    const warning = slowShutdownWarning(readHistory(this.#place.file), { recipe: name, graceMs })
    if (warning !== undefined) this.#warn(warning)
    if (holdAfter !== undefined && !this.#place.isLasting) {
      this.#warn(
        `failed boots are counted in ${this.#place.file}, which a restart of the container may wipe: set BERTH_HISTORY_DIR, or NETWORK_VOLUME, to a directory that outlives one`,
      )
    }
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
  reasonToHold(): string | undefined {
    const { holdAfter, pod = '' } = this.#recipe ?? {}
    if (holdAfter === undefined) return undefined
    const { failures, withinMs } = holdAfter
    const count = failedBoots(readHistory(this.#place.file), pod, Date.now() - withinMs)
    if (count < failures) return undefined
    return `the boot failed ${count} times within ${formatDuration(withinMs)}, and would fail again; stop this pod, or repair it and restart it`
  }

  #add(line: DistributiveOmit<HistoryLine, 'time' | 'pod' | 'recipe'>): void {
    if (this.#recipe === undefined || !this.#isKept) return
    const { pod, name } = this.#recipe
    try {
      addHistory(this.#place.file, { time: Date.now(), pod, recipe: name, ...line })
    } catch (error) {
      this.#isKept = false
      this.#warn(`could not write the history of this pod: ${(error as Error).message}`)
    }
  }

  #warn(text: string): void {
    this.#emit({ type: 'note', level: 'warn', text })
  }
}

type DistributiveOmit<Line, Keys extends PropertyKey> = Line extends unknown
  ? Omit<Line, Keys>
  : never
