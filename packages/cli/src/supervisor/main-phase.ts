import { flushCompileCache } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NewEvent, PipelineResult } from '@berth/core'
import { outputMask, shownError } from '../output-mask.ts'
import { formatDuration } from '../reporters/format.ts'
import type { BootEnvironment } from './boot-environment.ts'
import type { Ending } from './exit-code.ts'
import { createMark } from './mark.ts'
import { type MainProcess, notStartedCode, startMain } from './main-process.ts'
import { pidNamespace } from './life-file.ts'
import type { Pipelines } from './pipelines.ts'
import { readStat } from './process-table.ts'
import type { MainFacts, RecipeFacts } from './protocol.ts'
import { keepRounds } from './rounds.ts'
import { runBeside } from './run-beside.ts'
import type { StopRequest } from './stop-request.ts'

export interface MainSurroundings {
  pipelines: Pipelines
  stop: StopRequest
  env: BootEnvironment
  emit: (event: NewEvent) => void
  /** Called when main is told to stop: the shutdown can get ready meanwhile. */
  stopping: () => void
  /** Called when main is about to be started: its port must be free. */
  starting: () => Promise<void> | undefined
}

/** The life between boot and shutdown: main, or a wait for whoever ends the pod, and beside it the rounds and the deferred steps. */
export class MainPhase {
  /** While it runs. */
  process: MainProcess | undefined
  /** `undefined` where the recipe does not say how main shows it. */
  isReady: boolean | undefined
  /** How it ended. */
  end: Ending | undefined
  /** How the deferred steps ended. */
  deferred: PipelineResult | undefined
  #with: MainSurroundings

  constructor(surroundings: MainSurroundings) {
    this.#with = surroundings
  }

  /** For whoever asks; `undefined` while it does not run. */
  get facts(): { pid: number; ready: boolean | null } | undefined {
    return this.process && { pid: this.process.pid, ready: this.isReady ?? null }
  }

  /** Resolves with how main ended when nothing of it, and nothing beside it, runs any more; with `undefined` when there was none. */
  async run(facts: MainFacts, recipe: RecipeFacts | undefined): Promise<Ending | undefined> {
    const { pipelines, stop } = this.#with
    const ending = new AbortController()
    const started = Promise.withResolvers<void>()
    const endOfMain = { signal: ending.signal, killAt: () => stop.cancelDeadline() }
    const rounds = keepRounds(
      recipe?.rounds ?? [],
      (round) => pipelines.start('shutdown', { round }),
      endOfMain,
    )
    const deferred = started.promise.then(async () => {
      if (recipe === undefined || recipe.deferred.length === 0 || ending.signal.aborted) return
      this.deferred = await runBeside(pipelines.start('boot', { deferred: true }), endOfMain)
    })
    this.end = await this.#main(facts, { ending, started: started.resolve })
    ending.abort()
    started.resolve()
    await Promise.all([rounds, deferred])
    return this.end
  }

  /** Resolves when anyone wants the pod to stop. */
  async wait(reason: string): Promise<void> {
    const { emit, stop } = this.#with
    emit({ type: 'wait', reason })
    await awake(stop.requested)
  }

  async #main(
    facts: MainFacts,
    { ending, started }: { ending: AbortController; started: () => void },
  ): Promise<Ending | undefined> {
    const { env, emit, stop } = this.#with
    if (facts.command.length === 0) {
      started()
      await this.wait('no command was given')
      return undefined
    }
    const startedAt = Date.now()
    try {
      const mark = createMark()
      this.#with.pipelines.use({ mark, stopSignal: facts.stopSignal })
      // A port that is not free in time must not hold up the end.
      await Promise.race([this.#with.starting(), stop.requested])
      await this.#lookAhead(facts)
      if (stop.isRequested) return undefined
      this.process = await startMain(facts, env, mark)
      const { pid } = this.process
      const startTime = readStat(pid)?.startTime ?? ''
      const process = { pid, startTime, pidNamespace: pidNamespace() }
      this.#with.pipelines.use({ mark, stopSignal: facts.stopSignal, process })
    } catch (error) {
      emit({ type: 'error', error: shownError(error) })
      return { code: notStartedCode(error), signal: null }
    }
    const main = this.process
    const awaited = facts.ready === undefined ? {} : { awaited: true as const }
    if (main.warning !== undefined) emit({ type: 'note', level: 'warn', text: main.warning })
    emit({ type: 'main:start', command: facts.shown, pid: main.pid, ...awaited })
    // Node does it at the end of a process, and a pod's often ends by SIGKILL: the next start would compile everything anew.
    flushCompileCache()
    void this.#watch(facts, ending.signal).then(started)
    const end = await this.#untilEnded(main, facts.stopSignal, ending)
    this.process = undefined
    this.isReady = this.isReady === undefined ? undefined : false
    emit({ type: 'main:end', ...end, durationMs: Date.now() - startedAt })
    return end
  }

  async #lookAhead({ ready }: MainFacts): Promise<void> {
    if (ready === undefined) return
    // Most recipes say nothing of it.
    const { whyReadyMisleads } = await import('./readiness.ts')
    const text = await whyReadyMisleads(ready)
    if (text !== undefined) this.#warn(text)
  }

  /** What is told of an address may hold a secret. */
  #warn(text: string): void {
    this.#with.emit({ type: 'note', level: 'warn', text: outputMask().text(text) })
  }

  /** Resolves when main is ready, or takes longer for it than it may. */
  async #watch({ ready }: MainFacts, signal: AbortSignal): Promise<void> {
    if (ready === undefined) return
    const { emit } = this.#with
    const startedAt = Date.now()
    this.isReady = false
    const { untilReady } = await import('./readiness.ts')
    await new Promise<void>((resolve) => {
      const late = (why: string): void => {
        const text = `main is not ready after ${formatDuration(Date.now() - startedAt)}: ${why}`
        this.#warn(text)
        resolve()
      }
      void untilReady(ready, { signal, late }).then((isReady) => {
        if (isReady) {
          this.isReady = true
          emit({ type: 'main:ready', durationMs: Date.now() - startedAt })
        }
        resolve()
      })
    })
  }

  async #untilEnded(
    main: MainProcess,
    stopSignal: NodeJS.Signals,
    ending: AbortController,
  ): Promise<Ending> {
    const { stop } = this.#with
    await Promise.race([main.ended, stop.requested])
    ending.abort()
    if (stop.isRequested) await this.#stop(main, stopSignal)
    else await main.clear(Date.now() + stop.graceMs)
    // What not even SIGKILL ends (it waits for a hung volume) must not hold up the saves.
    const stuck = sleep(0).then((): Ending => ({ code: null, signal: 'SIGKILL' }))
    return Promise.race([main.ended, stuck])
  }

  async #stop(main: MainProcess, stopSignal: NodeJS.Signals): Promise<void> {
    const { stop, stopping } = this.#with
    main.signal(stopSignal)
    stopping()
    if (!stop.isUrgent) {
      await Promise.race([main.ended, sleep(Math.max(0, stop.halfDeadline() - Date.now()))])
    }
    await main.clear(stop.halfDeadline())
  }
}

/** A pending promise alone does not keep Node alive. */
export async function awake(until: Promise<void>): Promise<void> {
  const alive = setInterval(() => {}, 2 ** 30)
  await until
  clearInterval(alive)
}
