import type { BerthEvent } from '@berth/core'
import { askedBy } from './asked-by.ts'
import { errorDetails, printable } from './error-text.ts'
import { factsText } from './facts.ts'
import { formatDuration, formatElapsed } from './format.ts'
import { pipelineName, pipelineText } from './pipeline-text.ts'
import { Bar } from './progress.ts'
import type { Style, SymbolName } from './symbols.ts'

type EventOf<Type extends BerthEvent['type']> = Extract<BerthEvent, { type: Type }>

/** At most one progress line per bar in this time; the last one always comes. */
const progressIntervalMs = 10_000

/** The widest that the column of step names gets. */
const widestColumn = 24

/** The last lines of a step in a round are kept until it is known whether the round did anything. */
const heldLines = 50

/** A bar that is done sooner than this says nothing: the step's own line follows. */
const worthSayingMs = 1000

/**
 * Turns events into lines: elapsed time, step, symbol, words. Holds what a line depends on beyond its event: when it all began, the
 * column's width, when a bar last spoke, and whether this is a round that found nothing to do.
 */
export class EventLines {
  readonly bars = new Map<string, Bar>()
  #style: Style
  #startedAt: number | undefined
  #recipe = 'berth'
  #width = 8
  #spokenAt = new Map<string, number>()
  #periodic = false
  #roundWasIdle = false
  #held: string[] = []

  /** `startedAt` is where elapsed time counts from; the first event unless given. */
  constructor(style: Style, startedAt?: number) {
    this.#style = style
    this.#startedAt = startedAt
  }

  of(event: BerthEvent): string[] {
    this.#startedAt ??= event.time
    switch (event.type) {
      case 'pipeline:start':
        return this.#pipelineStart(event)
      case 'step:start': {
        if (this.#periodic || event.attempt > 1) return []
        return [
          this.#line(event, event.step, 'working', event.phase === 'undo' ? 'undoing' : 'started'),
        ]
      }
      case 'step:log':
        return this.#unlessIdle(event, this.#log(event))
      case 'step:progress':
        return this.#progress(event)
      case 'step:retry': {
        const wait = formatDuration(event.delayMs)
        const text = `attempt ${event.attempt} of ${event.attempts} failed: ${event.error.message}; again in ${wait}`
        return [this.#line(event, event.step, 'warning', text)]
      }
      case 'step:end':
        return this.#stepEnd(event)
      case 'pipeline:end':
        return this.#pipelineEnd(event)
      case 'main:start': {
        const text = `running ${event.command.join(' ')} (pid ${event.pid})`
        return [this.#line(event, 'main', 'running', text)]
      }
      case 'main:ready': {
        const text = `ready after ${formatDuration(event.durationMs)}`
        return [this.#line(event, 'main', 'done', text)]
      }
      case 'main:end':
        return [this.#mainEnd(event)]
      case 'signal':
        return [this.#line(event, 'berth', 'running', `${event.name}: ${event.action}`)]
      case 'wait':
        return [this.#line(event, 'berth', 'running', `waiting for a signal: ${event.reason}`)]
      case 'shutdown:asked':
        return [this.#line(event, 'berth', 'running', `${askedBy(event)}: ${event.action}`)]
      case 'note':
        return [
          this.#line(event, 'berth', event.level === 'warn' ? 'warning' : 'running', event.text),
        ]
      case 'error':
        return this.#failure(event, 'berth', event.error.message, event.error)
    }
  }

  /** One line in the common shape, without an event: for what `pretty` redraws. */
  row(time: number, step: string, symbol: SymbolName, text: string): string {
    const elapsed = formatElapsed(time - (this.#startedAt ?? time))
    const column = step.length > widestColumn ? `${step.slice(0, widestColumn - 1)}…` : step
    const padding = ' '.repeat(Math.max(0, this.#width - column.length))
    return `${this.#style.dim(elapsed)}  ${this.#style.step(column)}${padding}  ${this.#style.symbol(symbol)} ${text}`
  }

  #line(event: BerthEvent, step: string, symbol: SymbolName, text: string): string {
    return this.row(event.time, step, symbol, printable(text))
  }

  #pipelineStart(event: EventOf<'pipeline:start'>): string[] {
    this.#recipe = event.recipe
    this.#periodic = event.periodic === true
    this.bars.clear()
    this.#spokenAt.clear()
    const names = [event.recipe, ...event.steps.map(({ id }) => id)]
    const longest = Math.max(this.#width, ...names.map(({ length }) => length))
    this.#width = Math.min(widestColumn, longest)
    if (this.#periodic) return []
    const count = `${event.steps.length} step${event.steps.length === 1 ? '' : 's'}`
    return [this.#line(event, event.recipe, 'working', `${pipelineName(event)}, ${count}`)]
  }

  #log(event: EventOf<'step:log'>): string {
    if (event.level === 'warn') return this.#line(event, event.step, 'warning', event.text)
    const text = printable(event.text)
    return this.row(
      event.time,
      event.step,
      'working',
      event.level === 'output' ? this.#style.dim(text) : text,
    )
  }

  #progress(event: EventOf<'step:progress'>): string[] {
    const key = `${event.step}\n${event.progress.label ?? ''}`
    let bar = this.bars.get(key)
    if (bar === undefined) {
      bar = new Bar(event.time, event.progress)
      this.bars.set(key, bar)
    } else {
      bar.update(event.time, event.progress)
    }
    const spokenAt = this.#spokenAt.get(key) ?? bar.startedAt
    if (spokenAt === Number.POSITIVE_INFINITY) return []
    const complete = bar.isComplete()
    if (complete) this.#spokenAt.set(key, Number.POSITIVE_INFINITY)
    const due = complete
      ? event.time - bar.startedAt >= worthSayingMs
      : event.time - spokenAt >= progressIntervalMs
    if (!due) return []
    if (!complete) this.#spokenAt.set(key, event.time)
    return this.#unlessIdle(event, this.#line(event, event.step, 'working', bar.text()))
  }

  /** A round that finds nothing to do would otherwise fill a log with what it looked at. */
  #unlessIdle(event: BerthEvent, line: string): string[] {
    const isWarning = event.type === 'step:log' && event.level === 'warn'
    if (!this.#periodic || isWarning) return [line]
    this.#held.push(line)
    if (this.#held.length > heldLines) this.#held.shift()
    return []
  }

  #stepEnd(event: EventOf<'step:end'>): string[] {
    for (const key of this.bars.keys()) {
      if (key.startsWith(`${event.step}\n`)) this.bars.delete(key)
    }
    const undo = event.phase === 'undo' ? 'undone: ' : ''
    const duration = formatDuration(event.durationMs)
    const facts = factsText(event.facts ?? {})
    const tail = [event.reason ?? '', facts, duration].filter((text) => text !== '').join(', ')
    const held = this.#held.splice(0)
    if (event.result === 'done') {
      return [...held, this.#line(event, event.step, 'done', `${undo}${tail}`)]
    }
    if (event.result === 'unchanged' || event.result === 'skipped') {
      if (this.#periodic) return []
      const symbol = event.result === 'unchanged' ? 'done' : 'skipped'
      return [this.#line(event, event.step, symbol, `${undo}${event.result}: ${tail}`)]
    }
    const optional = event.optional ? ' (optional)' : ''
    const what = event.error?.message ?? event.reason ?? 'for an unknown reason'
    const verb = event.phase === 'undo' ? 'undo ' : ''
    // The next rung of the ladder is tried.
    const isRefused = event.of !== undefined && event.phase === 'run'
    const how = isRefused ? 'refused' : `${verb}${event.result}${optional}`
    const text = `${how} after ${duration}: ${what}`
    const explained = (event.explain ?? '').split('\n').filter((line) => line.trim() !== '')
    return [
      ...held,
      ...this.#failure(event, event.step, text, event.error),
      ...explained.map((line) => `  The recipe says: ${printable(line)}`),
    ]
  }

  #failure(
    event: BerthEvent,
    step: string,
    text: string,
    error: EventOf<'error'>['error'] | undefined,
  ): string[] {
    const isMild = event.type === 'step:end' && (event.optional || event.result === 'cancelled')
    const code = error === undefined ? '' : `  ${this.#style.dim(error.code)}`
    return [
      this.#line(event, step, isMild || this.#periodic ? 'warning' : 'failed', text) + code,
      ...(error === undefined ? [] : errorDetails(error)),
    ]
  }

  #pipelineEnd(event: EventOf<'pipeline:end'>): string[] {
    const idle = event.result === 'ready' && event.counts.done === 0
    const repeated = this.#periodic && idle && this.#roundWasIdle
    if (this.#periodic) this.#roundWasIdle = idle
    const { symbol, text } = pipelineText(event, idle)
    this.#periodic = false
    return repeated ? [] : [this.#line(event, this.#recipe, symbol, text)]
  }

  #mainEnd(event: EventOf<'main:end'>): string {
    const how = event.signal === null ? `ended with ${event.code}` : `ended by ${event.signal}`
    const symbol = event.code === 0 ? 'done' : 'warning'
    return this.#line(event, 'main', symbol, `${how} after ${formatDuration(event.durationMs)}`)
  }
}
