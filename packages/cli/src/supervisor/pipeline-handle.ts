import type { ChildProcess } from 'node:child_process'
import type { BerthEvent } from '@berth/core'
import { BerthError, errorFacts, type ErrorFacts } from '@berth/core/error'
import { outputMask } from '../output-mask.ts'
import { type PipelineChild, pipelineMark } from './pipeline-child.ts'
import { killProcesses, processesMarked, signalProcess } from './process-table.ts'
import type { MainFacts, Order, PipelineRequest, RecipeFacts, Report } from './protocol.ts'
import type { ShutdownOutcome } from './shutdown-tally.ts'
import { UnfinishedSteps } from './unfinished-steps.ts'

export type Loaded = { recipe: RecipeFacts } | { refused: ErrorFacts } | { crashed: ErrorFacts }

/** What not even SIGKILL has ended after this waits for a disk or a volume, and nobody can end it. */
const stuckMs = 300

const notGone = 'it is not gone yet: it waits for a disk or a volume'

/** How long a process that has said how it ended may take to go. */
const leaveMs = 2000

export interface PipelineEnd extends ShutdownOutcome {
  main?: MainFacts
}

/** A pipeline in a process of its own. Starting one loads the recipe; nothing is touched before `go`. */
export class PipelineHandle {
  #request: PipelineRequest
  #report: (event: BerthEvent) => void
  #child: ChildProcess
  #mark: string
  #said: () => string
  #loaded = Promise.withResolvers<Loaded>()
  #finished = Promise.withResolvers<PipelineEnd>()
  #ended = Promise.withResolvers<PipelineEnd>()
  #outcome: PipelineEnd | undefined
  #killReason: string | undefined
  #killTimer: NodeJS.Timeout | undefined
  #leaveTimer: NodeJS.Timeout | undefined
  #isSettled = false
  #unfinished = new UnfinishedSteps()

  constructor(request: PipelineRequest, child: PipelineChild, report: (event: BerthEvent) => void) {
    this.#request = request
    this.#report = report
    this.#child = child.process
    this.#mark = child.mark
    this.#said = child.said
    this.#child.on('message', (reports) =>
      (reports as Report[]).forEach((each) => this.#hear(each)),
    )
    void child.gone.then((how) => this.#settle(how))
    void this.ended.then((end) => this.#finished.resolve(end))
    this.#send({ type: 'load', request })
  }

  /** Never rejects. */
  get loaded(): Promise<Loaded> {
    return this.#loaded.promise
  }

  /**
   * Never rejects; resolves when it has said how it ended. Its process has only to go then: that takes Node a while.
   */
  get finished(): Promise<PipelineEnd> {
    return this.#finished.promise
  }

  /** Never rejects; resolves when the process is gone, or can't be ended. A crash is `failed`, has been reported, and left nothing running. */
  get ended(): Promise<PipelineEnd> {
    return this.#ended.promise
  }

  /** Begins. With a deadline the process is killed when it hasn't ended by then. */
  go(deadline?: number): void {
    this.#send({ type: 'go', ...(deadline === undefined ? {} : { deadline }) })
    if (deadline !== undefined) this.killAt(deadline, 'its time was over')
  }

  /** Moves the deadline nearer. */
  hasten(deadline: number): void {
    this.#send({ type: 'deadline', deadline })
    this.killAt(deadline, 'its time was over')
  }

  cancel(reason: string): void {
    this.#send({ type: 'cancel', reason })
  }

  skipOptional(): void {
    this.#send({ type: 'skip-optional' })
  }

  /** Kills the process when it hasn't ended by then, without telling it; a later call replaces an earlier one. */
  killAt(time: number, reason: string): void {
    clearTimeout(this.#killTimer)
    if (this.#isSettled) return
    const kill = (): void => {
      this.#killReason = reason
      if (this.#child.pid !== undefined) signalProcess(-this.#child.pid, 'SIGKILL')
      this.#killTimer = setTimeout(() => void this.#settle(notGone), stuckMs)
    }
    this.#killTimer = setTimeout(kill, Math.max(0, time - Date.now()))
  }

  /** What it has not come to the end of, in words; empty where that is nothing. */
  get unfinished(): string {
    return this.#unfinished.text
  }

  /** A file that does not answer holds up an exit for ever. */
  #letGo(): void {
    const kill = (): void => {
      // Not its group: a daemon that it has left on purpose is in there.
      if (this.#child.pid !== undefined) signalProcess(this.#child.pid, 'SIGKILL')
      this.#leaveTimer = setTimeout(() => void this.#settle(notGone), stuckMs)
    }
    this.#leaveTimer = setTimeout(kill, leaveMs)
  }

  #send(order: Order): void {
    // A process that is gone can't be told anything; its end is noticed elsewhere.
    if (this.#child.connected) this.#child.send(order, () => {})
  }

  #hear(answer: Report): void {
    if (answer.type === 'event') {
      this.#unfinished.hear(answer.event)
      this.#report(answer.event)
    }
    if (answer.type === 'loaded') this.#loaded.resolve({ recipe: answer.facts })
    if (answer.type === 'refused') this.#loaded.resolve({ refused: answer.error })
    if (answer.type === 'ended') {
      this.#outcome = answer
      this.#finished.resolve(answer)
      this.#letGo()
    }
  }

  async #settle(how: string): Promise<void> {
    clearTimeout(this.#killTimer)
    clearTimeout(this.#leaveTimer)
    if (this.#isSettled) return
    this.#isSettled = true
    if (this.#outcome !== undefined) {
      this.#ended.resolve(this.#outcome)
      return
    }
    const crashed = this.#crash(how)
    this.#loaded.resolve({ crashed })
    if (!('refused' in (await this.loaded))) {
      this.#report({ type: 'error', time: Date.now(), error: crashed })
    }
    // Nothing that it started may still write when the next pipeline begins; behind the last one everything is ended.
    const { pipeline, round } = this.#request
    if (pipeline === 'boot' || round !== undefined)
      await killProcesses(() => processesMarked(pipelineMark, this.#mark))
    this.#ended.resolve({ result: 'failed' })
  }

  #crash(how: string): ErrorFacts {
    const { pipeline, round } = this.#request
    const wasKilled = this.#killReason !== undefined
    const stuck = how === notGone ? `; ${notGone}` : ''
    const unfinished = this.unfinished === '' ? '' : `; ${this.unfinished}`
    const message = wasKilled
      ? `the ${pipeline} pipeline was killed: ${this.#killReason}${stuck}${unfinished}`
      : `the ${pipeline} pipeline's process died: ${how}${unfinished}`
    const cures = [
      ...(!wasKilled && how.includes('SIGKILL')
        ? ['if memory was short, give the container more, or the step less to do at once']
        : []),
      ...(pipeline === 'shutdown' && round === undefined
        ? ['`berth shutdown` runs again what was not put away']
        : []),
    ]
    const hint = cures.join('; ')
    const error = new BerthError('cli/pipeline-died', message, hint === '' ? {} : { hint })
    const said = lastWords(this.#said())
    return { ...errorFacts(error), ...(said === '' ? {} : { excerpt: said }) }
  }
}

/** The last lines of what a process printed, as they may be shown. */
function lastWords(text: string): string {
  // An engine out of memory says so first, and then prints its stack.
  const isStack = (line: string) => /^\s*\d+: 0x|Native stack trace/.test(line)
  const lines = outputMask().text(text.trimEnd()).split(/\r?\n/)
  const shown = lines.filter((line) => !isStack(line)).slice(-20)
  return shown.map((line) => line.slice(0, 500)).join('\n')
}
