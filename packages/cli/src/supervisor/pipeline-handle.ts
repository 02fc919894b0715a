import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { BerthEvent, PipelineResult } from '@berth/core'
import { BerthError, errorFacts, type ErrorFacts } from '@berth/core/error'
import { outputMask } from '../output-mask.ts'
import { killProcesses, processesMarked, signalProcess } from './process-table.ts'
import type { MainFacts, Order, PipelineRequest, RecipeFacts, Report } from './protocol.ts'

/** The environment variable by which everything that a pipeline started is found again after it died. */
const pipelineMark = 'BERTH_PIPELINE'

/** How long what a dead process said last is waited for. */
const lastWordsMs = 100

const entry = fileURLToPath(new URL('start-pipeline.mjs', import.meta.url))

export type Loaded = { recipe: RecipeFacts } | { refused: ErrorFacts } | { crashed: ErrorFacts }

export interface PipelineEnd {
  result: PipelineResult
  main?: MainFacts
}

/** A pipeline in a process of its own. Starting one loads the recipe; nothing is touched before `go`. */
export class PipelineHandle {
  #request: PipelineRequest
  #report: (event: BerthEvent) => void
  #child: ChildProcess
  #mark = randomUUID()
  #lastWords: string[] = []
  #loaded = Promise.withResolvers<Loaded>()
  #ended = Promise.withResolvers<PipelineEnd>()
  #outcome: PipelineEnd | undefined
  #killReason: string | undefined
  #killTimer: NodeJS.Timeout | undefined

  constructor(
    request: PipelineRequest,
    env: NodeJS.ProcessEnv,
    report: (event: BerthEvent) => void,
  ) {
    this.#request = request
    this.#report = report
    this.#child = spawn(process.execPath, [...process.execArgv, entry], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...env, [pipelineMark]: this.#mark },
    })
    this.#child.on('message', (message) => this.#hear(message as Report))
    this.#keepLastWords()
    void goneOf(this.#child).then((how) => this.#settle(how))
    this.#send({ type: 'load', request })
  }

  /** Never rejects. */
  get loaded(): Promise<Loaded> {
    return this.#loaded.promise
  }

  /** Never rejects; resolves when the process is gone. A crash is `failed`, has been reported, and left nothing running. */
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
    const kill = (): void => {
      this.#killReason = reason
      if (this.#child.pid !== undefined) signalProcess(-this.#child.pid, 'SIGKILL')
    }
    this.#killTimer = setTimeout(kill, Math.max(0, time - Date.now()))
  }

  #send(order: Order): void {
    // A process that is gone can't be told anything; its end is noticed elsewhere.
    if (this.#child.connected) this.#child.send(order, () => {})
  }

  #hear(answer: Report): void {
    if (answer.type === 'event') this.#report(answer.event)
    if (answer.type === 'loaded') this.#loaded.resolve({ recipe: answer.facts })
    if (answer.type === 'refused') this.#loaded.resolve({ refused: answer.error })
    if (answer.type === 'ended') this.#outcome = answer
  }

  async #settle(how: string): Promise<void> {
    clearTimeout(this.#killTimer)
    if (this.#outcome !== undefined) {
      this.#ended.resolve(this.#outcome)
      return
    }
    const crashed = this.#crash(how)
    this.#loaded.resolve({ crashed })
    if (!('refused' in (await this.loaded))) {
      this.#report({ type: 'error', time: Date.now(), error: crashed })
    }
    // Nothing that it started may still write when the next pipeline begins.
    await killProcesses(() => processesMarked(pipelineMark, this.#mark))
    this.#ended.resolve({ result: 'failed' })
  }

  #crash(how: string): ErrorFacts {
    const { pipeline } = this.#request
    const wasKilled = this.#killReason !== undefined
    const message = wasKilled
      ? `the ${pipeline} pipeline was killed: ${this.#killReason}`
      : `the ${pipeline} pipeline's process died: ${how}`
    const hint = 'if memory was short, give the container more, or the step less to do at once'
    const isUnexplained = !wasKilled && how.includes('SIGKILL')
    const error = new BerthError('cli/pipeline-died', message, isUnexplained ? { hint } : {})
    const said = this.#lastWords.join('\n')
    return { ...errorFacts(error), ...(said === '' ? {} : { excerpt: said }) }
  }

  /** What a pipeline process prints itself is a bug's stack or the engine's last words. */
  #keepLastWords(): void {
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        // An engine out of memory says so first, and then prints its stack.
        if (/^\s*\d+: 0x|Native stack trace/.test(line)) return
        this.#lastWords.push(outputMask().text(line).slice(0, 500))
        if (this.#lastWords.length > 20) this.#lastWords.shift()
      })
    }
  }
}

/** Resolves, with how it ended in words, when a process has exited and everything it said has been heard. */
function goneOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let how: string | undefined
    const settle = (): void => {
      if (how !== undefined && !child.connected) resolve(how)
    }
    const closed = new Promise((settled) => child.once('close', settled))
    child.once('error', (error) => resolve(`it could not be started: ${error.message}`))
    child.once('exit', (code, signal) => {
      // Something that it left behind may hold its output open for ever.
      void Promise.race([closed, sleep(lastWordsMs)]).then(() => {
        how = signal === null ? `it ended with code ${code}` : `it was killed by ${signal}`
        settle()
      })
    })
    child.once('disconnect', settle)
  })
}
