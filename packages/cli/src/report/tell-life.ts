import type { BerthEvent, Progress } from '@berth/core'
import { askedBy } from '../reporters/asked-by.ts'
import { worse } from '../supervisor/worse.ts'
import type { Life, PipelineLife, StepLife } from './life.ts'
import type { RecordLine } from './record-line.ts'

type LineOf<Type extends RecordLine['type']> = Extract<RecordLine, { type: Type }>

/** Of what can come without end, so much is remembered. */
const most = {
  warnings: 50,
  perStep: 5,
  errors: 20,
  signals: 20,
  retries: 50,
  bars: 20,
  steps: 1000,
}

/** All that a record of an older version has of `wait` and `shutdown:asked`. */
const [waiting, asked] = ['waiting for a signal', '`berth shutdown`']

/** A life of which nothing is known yet. */
export function newLife(file: string, now: number): Life {
  return {
    recipe: file,
    file,
    pid: 0,
    startTime: '',
    startedAt: now,
    lastAt: now,
    undo: [],
    rounds: { count: 0, failed: 0 },
    signals: [],
    warnings: [],
    errors: [],
  }
}

/** The life that a record tells; `undefined` for an empty one. Of several in one record the last. */
export function lifeIn(lines: readonly RecordLine[]): Life | undefined {
  const first = lines[0]
  if (first === undefined) return undefined
  const begins = lines.findLastIndex(({ type }) => type === 'record:start')
  const own = begins === -1 ? lines : lines.slice(begins)
  const teller = new LifeTeller(newLife('', own[0]?.time ?? first.time))
  for (const line of own) teller.hear(line)
  return teller.life
}

/** Follows a life, event by event. Its memory is bounded, however long that is. */
export class LifeTeller {
  readonly life: Life
  /** The pipelines that run: the steps of events are theirs. */
  #open: (PipelineLife & { kind: string })[] = []
  /** The pipeline that follows goes without its overlay. */
  #overlayIsBroken = false

  constructor(life: Life) {
    this.life = life
  }

  hear(line: RecordLine): void {
    const { life } = this
    const heardAt = life.lastAt
    life.lastAt = Math.max(life.lastAt, line.time)
    switch (line.type) {
      case 'record:start':
        Object.assign(life, { file: line.file, recipe: line.file, pid: line.pid })
        Object.assign(life, { startTime: line.startTime, startedAt: line.time })
        return
      case 'record:take-over':
        return this.#takeOver(line, heardAt)
      case 'record:end':
        this.#endMain(line.time)
        life.endedAt = line.time
        life.exitCode = line.code
        // Its process was killed, or its supervisor gave up: it could not say how it ended.
        if (life.shutdown !== undefined && life.shutdown.result === undefined) {
          Object.assign(life.shutdown, { endedAt: line.time, result: 'failed' })
        }
        return
      case 'record:left-out':
        life.rounds.count += line.rounds?.count ?? 0
        life.rounds.failed += line.rounds?.failed ?? 0
        return
      case 'pipeline:start':
        return this.#begin(line)
      case 'pipeline:end':
        return this.#end(line)
      case 'main:start':
      case 'main:ready':
      case 'main:end':
        return this.#main(line)
      case 'signal':
        return this.#signal(line)
      case 'wait':
        life.waitsSince = line.time
        return
      case 'shutdown:asked':
        return this.#signal({ ...line, name: askedBy(line) })
      case 'note':
        return this.#note(line)
      case 'error':
        this.#overlayIsBroken ||= line.error.code === 'cli/broken-overlay'
        return keep(life.errors, most.errors, line.error)
      default:
        return this.#step(line)
    }
  }

  #takeOver({ mainLives }: LineOf<'record:take-over'>, heardAt: number): void {
    const { life } = this
    if (life.endedAt === undefined) life.killedAt ??= heardAt
    if (life.main === undefined || life.main.endedAt !== undefined) return
    if (mainLives) life.main.fate = 'put-away'
    else Object.assign(life.main, { fate: 'lost', endedAt: heardAt })
  }

  /** What `berth shutdown` ended is gone when its next line comes. */
  #endMain(time: number): void {
    const { main } = this.life
    if (main?.fate === 'put-away') main.endedAt ??= time
  }

  #signal({ time, name, action }: Life['signals'][number]): void {
    this.life.stopsSince ??= time
    keep(this.life.signals, most.signals, { time, name, action })
  }

  #note({ time, level, text }: LineOf<'note'>): void {
    const { life } = this
    if (text.startsWith(waiting)) life.waitsSince = time
    else if (text.startsWith(asked)) life.stopsSince ??= time
    else if (level === 'warn') keep(life.warnings, most.warnings, text)
  }

  #begin(event: LineOf<'pipeline:start'>): void {
    const steps = event.steps.map((listing) => newStep(listing))
    const { pipeline: name, time: startedAt } = event
    const pipeline: PipelineLife = { pipeline: name, startedAt, steps }
    const periodic = event.periodic === true
    this.life.recipe = event.recipe
    if (event.deferred === true) this.life.deferred = pipeline
    else if (!periodic && event.pipeline === 'boot') this.life.boot = pipeline
    else if (event.pipeline === 'build') this.life.build = pipeline
    else if (!periodic && event.pipeline === 'shutdown') {
      this.life.shutdown = pipeline
      this.#endMain(event.time)
    }
    if (this.#overlayIsBroken) pipeline.overlayLeftOut = true
    this.#overlayIsBroken = false
    this.#open.push(Object.assign(pipeline, { kind: kindOf(event) }))
  }

  #end(event: LineOf<'pipeline:end'>): void {
    const index = this.#open.findLastIndex(({ kind }) => kind === kindOf(event))
    const [ended] = index === -1 ? [] : this.#open.splice(index, 1)
    if (ended !== undefined) {
      const isWorse = ended.overlayLeftOut === true && event.result === 'ready'
      const result = isWorse ? 'degraded' : event.result
      Object.assign(ended, { endedAt: event.time, result })
    }
    if (event.periodic !== true) return
    const { rounds } = this.life
    rounds.count += 1
    if (event.result === 'failed') rounds.failed += 1
    Object.assign(rounds, { lastAt: event.time, lastResult: event.result })
  }

  #main(event: LineOf<'main:start' | 'main:ready' | 'main:end'>): void {
    const { life } = this
    if (event.type === 'main:start') {
      const { command, pid, time, awaited } = event
      life.main = { command, pid, startedAt: time, ...(awaited === true ? { awaited } : {}) }
    } else if (event.type === 'main:ready') {
      Object.assign(life.main ?? {}, { readyAt: event.time })
    } else if (life.main !== undefined) {
      Object.assign(life.main, { endedAt: event.time, code: event.code, signal: event.signal })
    }
  }

  #step(event: Extract<BerthEvent, { step: string }>): void {
    const step = this.#stepOf(event)
    switch (event.type) {
      case 'step:start':
        step.startedAt ??= event.time
        step.attempts = event.attempt
        return
      case 'step:log':
        step.lastLine = event.text.slice(0, 500)
        if (event.level === 'warn') keep(step.warnings, most.perStep, event.text)
        return
      case 'step:progress':
        return this.#progress(step, event.progress)
      case 'step:retry': {
        const { time, attempt, delayMs, error } = event
        return keep(step.retries, most.retries, { time, attempt, delayMs, reason: error.message })
      }
      case 'step:end': {
        const { type: _type, step: _step, phase: _phase, time, durationMs: _ms, ...end } = event
        Object.assign(step, end, { endedAt: time })
        if (event.phase === 'undo' && event.result !== 'done') this.#worsen(event.optional)
        return
      }
    }
  }

  /** In a record of an older version the end of a shutdown comes before what is taken back. */
  #worsen(optional: boolean): void {
    const { shutdown } = this.life
    if (shutdown?.result === undefined) return
    shutdown.result = worse(shutdown.result, optional ? 'degraded' : 'failed')
  }

  #progress(step: StepLife, progress: Progress): void {
    const label = progress.label ?? ''
    const isKnown = label in step.progress || Object.keys(step.progress).length < most.bars
    if (isKnown) step.progress[label] = progress
  }

  #stepOf(event: Extract<BerthEvent, { step: string }>): StepLife {
    const { step: id, of } = event
    const isThis = (step: StepLife): boolean => step.id === id && step.of === of
    if (!('phase' in event && event.phase === 'undo')) {
      const known = this.#open.findLast(({ steps }) => steps.some(isThis))?.steps.find(isThis)
      if (known !== undefined) return known
      if (of !== undefined) return this.#rung(id, of)
    }
    // What is taken back announces itself by its start, or by its end where it could not begin.
    const { undo } = this.life
    const running = undo.findLast((step) => step.id === id && step.result === undefined)
    if (running !== undefined) return running
    const step = newStep({ id, name: id, optional: false, needs: [] })
    keep(undo, most.steps, step)
    return step
  }

  /** Ladders don't announce their rungs: what is refused at once would only be in the way. */
  #rung(id: string, of: string): StepLife {
    const rung = { ...newStep({ id, name: id, optional: false, needs: [] }), of }
    const open = this.#open.findLast(({ steps }) => steps.some((step) => step.id === of))
    const last = open?.steps.findLastIndex((step) => step.id === of || step.of === of) ?? -1
    open?.steps.splice(last + 1, 0, rung)
    return rung
  }
}

function kindOf(event: LineOf<'pipeline:start' | 'pipeline:end'>): string {
  return `${event.pipeline} ${event.periodic === true} ${event.deferred === true}`
}

function newStep({
  id,
  name,
  optional,
  needs,
}: LineOf<'pipeline:start'>['steps'][number]): StepLife {
  const told = { id, name, optional, needs }
  return { ...told, attempts: 0, retries: [], progress: {}, warnings: [] }
}

function keep<Item>(items: Item[], count: number, item: Item): void {
  items.push(item)
  if (items.length > count) items.shift()
}
