import type { Progress } from '@berth/core'
import { formatAmount, formatDuration } from './format.ts'

interface Sample {
  time: number
  done: number
}

/** Rates are taken over this window, so that a stall shows within seconds and a burst doesn't jump. */
const windowMs = 10_000

/** One bar: what is being worked on, and how fast. */
export class Bar {
  readonly startedAt: number
  #samples: Sample[]
  latest: Progress

  constructor(time: number, progress: Progress) {
    this.startedAt = time
    this.latest = progress
    this.#samples = [{ time, done: progress.done }]
  }

  update(time: number, progress: Progress): void {
    this.latest = progress
    const last = this.#samples.at(-1)
    // Ten samples a second are plenty for a rate; more would grow with the number of files.
    if (last !== undefined && this.#samples.length > 1 && time - last.time < 100) {
      last.done = progress.done
    } else {
      this.#samples.push({ time, done: progress.done })
    }
    while (this.#samples.length > 2 && time - (this.#samples[0]?.time ?? time) > windowMs) {
      this.#samples.shift()
    }
  }

  isComplete(): boolean {
    return this.latest.total !== undefined && this.latest.done >= this.latest.total
  }

  /** Units a second: over the last seconds while it runs, over the whole when complete. */
  rate(): number | undefined {
    const last = this.#samples.at(-1)
    const first = this.#samples[0]
    if (last === undefined || first === undefined) return undefined
    const [from, done] = this.isComplete()
      ? [this.startedAt, last.done]
      : [first.time, last.done - first.done]
    const seconds = (last.time - from) / 1000
    return seconds < 0.05 || done <= 0 ? undefined : done / seconds
  }

  /** `venv 1.6 GiB of 3.1 GiB, 52 %, 160.0 MiB/s, 10 s left`. */
  text(): string {
    const { done, total, unit, label } = this.latest
    const parts = [
      total === undefined
        ? formatAmount(done, unit)
        : `${formatAmount(done, unit)} of ${formatAmount(total, unit)}`,
    ]
    if (total !== undefined && total > 0) parts.push(`${this.percent()} %`)
    const rate = this.rate()
    if (rate !== undefined) {
      parts.push(`${formatAmount(unit === 'bytes' ? rate : Math.round(rate), unit)}/s`)
      if (total !== undefined && done < total) {
        parts.push(`${formatDuration(Math.max(1000, ((total - done) / rate) * 1000))} left`)
      }
    }
    return label === undefined ? parts.join(', ') : `${label} ${parts.join(', ')}`
  }

  /** Rounded down, so that 100 means complete. */
  percent(): number {
    const { done, total } = this.latest
    return total === undefined || total === 0 ? 0 : Math.min(100, Math.floor((done / total) * 100))
  }

  /** A bar of `width` cells: `━━━━━━━━────`. */
  drawing(width: number): string {
    if (this.latest.total === undefined) return ''
    const filled = Math.round((this.percent() / 100) * width)
    return '━'.repeat(filled) + '─'.repeat(width - filled)
  }
}
