import type { BerthEvent, NewEvent, PipelineResult } from '@berth/core'
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts'
import { shownError } from '../output-mask.ts'
import { formatDuration } from '../reporters/format.ts'
import { bootMark } from './boot-environment.ts'
import { BootPhase } from './boot-phase.ts'
import type { BootRequest } from './boot-request.ts'
import type { ControlHandlers } from './control-socket.ts'
import { controlsOf, type LifePhase } from './controls.ts'
import { type Ending, podExitCode, withDeferred } from './exit-code.ts'
import type { Life } from './life-file.ts'
import { LifeHistory } from './life-history.ts'
import { awake, MainPhase } from './main-phase.ts'
import type { PipelineChild } from './pipeline-child.ts'
import type { PipelineEnd } from './pipeline-handle.ts'
import { Pipelines } from './pipelines.ts'
import { endProcesses, killAtOnce, processesMarked, signalProcess } from './process-table.ts'
import { type MainFacts, mainWithoutRecipe, type RecipeFacts } from './protocol.ts'
import { ShutdownPhase } from './shutdown-phase.ts'
import type { ShutdownEnd } from './shutdown-request.ts'
import { isStopSignal, type ReceivedSignal, type StopSignal } from './signals.ts'
import { StopRequest } from './stop-request.ts'
import { lifeSummary, shutdownText } from './summary.ts'

/** Between SIGTERM and SIGKILL for what is left in the container at the very end. */
const sweepPatienceMs = 200

/**
 * The container's life: boot, main, and, whatever ends main, shutdown and undo under one deadline. Touches no step's files: each
 * pipeline runs in a process of its own. `run` resolves with the exit code; every signal goes to `receive`.
 */
export class Supervisor {
  /** What the control socket answers to. */
  readonly controls: ControlHandlers
  #request: BootRequest
  #report: (event: BerthEvent) => void
  #stop = new StopRequest()
  #pipelines: Pipelines
  #history: LifeHistory
  #main: MainPhase
  #shutdown: ShutdownPhase
  #phase: LifePhase = 'boot'
  #startedAt = Date.now()
  #boot: BootPhase
  #shutdownAt = 0
  #finished = Promise.withResolvers<ShutdownEnd>()
  #isAbandoned = false
  #abandoned = Promise.withResolvers<ShutdownEnd>()

  /** With a life, one that has begun already: its supervisor was killed, and `finish` ends it. */
  constructor(
    request: BootRequest,
    report: (event: BerthEvent) => void,
    begun: { firstChild?: PipelineChild; life?: Life },
  ) {
    this.#request = request
    // What was given up may still be at it, and speaks to nobody any more.
    this.#report = (event) => {
      if (!this.#isAbandoned) report(event)
    }
    if (request.graceMs !== undefined) this.#stop.graceMs = request.graceMs
    this.#pipelines = new Pipelines(request, this.#report, begun)
    const emit = (event: NewEvent): void => this.#emit(event)
    this.#history = new LifeHistory(request, emit)
    const surroundings = { pipelines: this.#pipelines, stop: this.#stop, emit }
    this.#boot = new BootPhase({ ...surroundings, request, history: this.#history })
    this.#shutdown = new ShutdownPhase(surroundings)
    this.#main = new MainPhase({
      ...surroundings,
      env: request.env,
      // Its modules load while main stops; a short grace has no time to waste.
      stopping: () => this.#shutdown.prepare(),
      starting: () => this.#request.health?.freePort(),
    })
    this.controls = controlsOf({
      stop: this.#stop,
      facts: () => ({
        recipe: this.#boot.recipe?.name ?? request.recipe,
        phase: this.#phase,
        startedAt: this.#startedAt,
        boot: this.#boot.end?.result,
        main: this.#main.facts,
      }),
      beginStop: () => this.#beginStop(),
      finished: this.#finished.promise,
      emit,
    })
    void this.#stop.over.then(() => this.#giveUp())
  }

  async run(): Promise<number> {
    const abandoned = this.#abandoned.promise.then(({ exitCode }) => exitCode)
    return Promise.race([this.#liveSafely(), abandoned])
  }

  /** Resolves when main is about to be started, or the life to end. */
  get booted(): Promise<void> {
    return this.#boot.over
  }

  /** When nothing may be waited for any more, in milliseconds since the epoch; `undefined` while nobody is waiting to kill us. */
  get lastMoment(): number | undefined {
    return this.#stop.lastMoment(this.#phase === 'ended')
  }

  /** Resolves when the history of the machine has been written; never, where its volume hangs. */
  get written(): Promise<void> {
    return this.#history.written
  }

  /** Ends a life whose supervisor was killed: what is left of its main and pipelines, then shutdown and undo. */
  async finish(life: Life, graceMs: number | undefined): Promise<ShutdownEnd> {
    this.#phase = 'shutdown'
    this.#stop.graceMs = graceMs ?? life.graceMs
    // Without one nobody is about to kill us.
    if (graceMs !== undefined) this.#stop.request({ at: Date.now() })
    const end = async (): Promise<ShutdownEnd> => {
      this.#shutdown.prepare()
      const { endRemains } = await import('./remains.ts')
      await endRemains(life, this.#stop)
      const { shutdownMs, ...shutdown } = await this.#runShutdown()
      const { result } = shutdown
      const isRight = result === 'ready' || result === 'degraded'
      const exitCode = isRight ? exitCodes.right : exitCodes.failed
      const recipe = this.#shutdown.recipe?.name ?? life.recipe
      const summary = `${recipe}: ${shutdownText(shutdown, shutdownMs)}`
      const ended = { state: 'ended', result, exitCode, shutdownMs, summary } as const
      await this.#finish(ended)
      return ended
    }
    // What main would have ended with is nobody's concern any more.
    const abandoned = this.#abandoned.promise.then((cut) =>
      cut.result === 'failed' ? { ...cut, exitCode: exitCodes.failed } : cut,
    )
    return Promise.race([end(), abandoned])
  }

  /** Acts on a signal: the first that stops begins the end, the second skips what is optional, the third ends at once. */
  receive(signal: ReceivedSignal): void {
    const { name } = signal
    // A terminal has sent these to main itself, and what they mean is main's to say: a shell stays.
    const isTerminals = name === 'SIGINT' || name === 'SIGQUIT' || name === 'SIGWINCH'
    if (this.#main.process?.hasTerminal === true && isTerminals) return
    if (!isStopSignal(name)) {
      this.#main.process?.signal(name)
    } else if (this.#stop.signal === undefined) {
      this.#stop.obey(signal)
      this.#emit({ type: 'signal', name, action: this.#beginStop() })
    } else if (!this.#stop.isUrgent) {
      this.#stop.isUrgent = true
      this.#emit({ type: 'signal', name, action: 'again: skipping what is optional' })
      void this.#main.process?.clear(0)
      this.#shutdown.skipOptional()
    } else {
      this.#endAtOnce(name)
    }
  }

  async #liveSafely(): Promise<number> {
    try {
      return await this.#live()
    } catch (error) {
      // A bug of ours must not cost the save.
      this.#emit({ type: 'error', error: shownError(error) })
      await this.#main.process?.clear(this.#stop.halfDeadline())
      await this.#shutdown.run()
      return exitCodes.failed
    }
  }

  async #live(): Promise<number> {
    const boot = await this.#boot.run()
    if (boot === 'refused') return exitCodes.usage
    const bootMs = Date.now() - this.#startedAt
    this.#history.booted(boot.result, bootMs)
    const main = await this.#runMain(boot)
    const { shutdownMs, ...shutdown } = await this.#runShutdown()
    const code = this.#exitCode(main, shutdown.result)
    const recipe = this.#boot.recipe?.name ?? this.#request.recipe
    const text = lifeSummary({ recipe, boot, bootMs, main, shutdown, shutdownMs, code })
    this.#emit({ type: 'note', level: code === exitCodes.right ? 'info' : 'warn', text })
    await this.#finish({
      state: 'ended',
      result: shutdown.result,
      exitCode: code,
      shutdownMs,
      summary: text,
    })
    return code
  }

  /** Tells whoever asked for the shutdown; where a platform would start the container again, its signal is waited for. */
  async #finish(answer: ShutdownEnd): Promise<void> {
    this.#phase = 'ended'
    const { result } = answer
    // What could not be saved or taken back is left for `berth shutdown` to try again.
    if (result === 'ready' || result === 'degraded') this.#pipelines.end()
    this.#finished.resolve(answer)
    const isAsked = this.#stop.isRequested && this.#stop.signal === undefined
    if (!isAsked || !this.#request.isFirstProcess) return
    const text = 'everything is put away, as `berth shutdown` asked: waiting for the signal to end'
    this.#emit({ type: 'note', level: 'info', text })
    await awake(this.#stop.signalled)
  }

  /** Tells what runs that it must stop; answers what was done. */
  #beginStop(): string {
    if (this.#phase === 'ended') return 'everything is put away: ending'
    if (this.#boot.cancel()) return 'cancelling the boot'
    const left = `${formatDuration((this.#stop.deadline() ?? 0) - Date.now())} left`
    if (this.#shutdown.hasten()) return `the shutdown has ${left}`
    return `${this.#main.process === undefined ? 'shutting down' : 'stopping main'}, ${left}`
  }

  /** What the third signal asks for: nothing is saved or taken back any more. The journal stays, for `berth shutdown` or the next boot. */
  #endAtOnce(name: StopSignal): void {
    const { env } = this.#request
    this.#emit({ type: 'signal', name, action: 'a third time: ending at once' })
    killAtOnce(() => processesMarked(bootMark, env[bootMark]))
    this.#tellCut()
    const summary = 'a third signal ended the shutdown'
    this.#abandon({ result: 'cancelled', exitCode: exitCodeOfSignal(name), summary })
  }

  /** The last moment of the grace has come: whatever hangs, hangs without us. The journal stays, as at the third signal. */
  #giveUp(): void {
    if (this.#phase === 'ended' || this.#isAbandoned) return
    const { env } = this.#request
    const what = { boot: 'the boot', main: 'main', shutdown: 'the shutdown' }[this.#phase]
    const summary = `the time is over and ${what} has not ended: what is left is for \`berth shutdown\`, or the next boot`
    this.#emit({ type: 'note', level: 'warn', text: summary })
    for (const pid of processesMarked(bootMark, env[bootMark])) signalProcess(pid, 'SIGKILL')
    this.#tellCut()
    if (this.#phase === 'shutdown') this.#tellHistory('failed')
    const isCut = this.#main.process !== undefined
    const main = isCut ? ({ code: null, signal: 'SIGKILL' } as const) : this.#main.end
    this.#abandon({ result: 'failed', exitCode: this.#exitCode(main, 'failed'), summary })
  }

  #tellCut(): void {
    const { unfinished } = this.#shutdown
    const text = `${unfinished}: \`berth shutdown\` does what is left`
    if (unfinished !== '') this.#emit({ type: 'note', level: 'warn', text })
  }

  #abandon(end: Pick<ShutdownEnd, 'result' | 'exitCode' | 'summary'>): void {
    const shutdownMs = this.#shutdownAt === 0 ? 0 : Date.now() - this.#shutdownAt
    const answer = { state: 'ended', shutdownMs, ...end } as const
    this.#isAbandoned = true
    this.#finished.resolve(answer)
    this.#abandoned.resolve(answer)
  }

  #exitCode(main: Ending | undefined, shutdown: PipelineResult): number {
    return podExitCode({
      boot: withDeferred(this.#boot.end?.result ?? 'cancelled', this.#main.deferred),
      onBootFailure: this.#onBootFailure(),
      hasCommand: this.#mainFacts().command.length > 0,
      main,
      shutdown,
      stopSignal: this.#stop.signal?.name,
      strict: this.#request.strict,
    })
  }

  /** Resolves when main is gone, with how it ended; with `undefined` when there was none to run. */
  async #runMain(boot: PipelineEnd): Promise<Ending | undefined> {
    if (this.#stop.isRequested) return undefined
    const hasFailed = boot.result === 'failed'
    const policy = this.#onBootFailure()
    const reason = hasFailed ? await this.#reasonToHold(policy) : undefined
    if (hasFailed && policy === 'exit' && reason === undefined) return undefined
    if (this.#stop.isRequested) return undefined
    this.#phase = 'main'
    this.#pipelines.use()
    if (!hasFailed || policy === 'continue') {
      return this.#main.run(this.#mainFacts(), this.#boot.recipe)
    }
    await this.#main.wait(reason ?? policy)
    return undefined
  }

  async #reasonToHold(policy: RecipeFacts['onBootFailure']): Promise<string | undefined> {
    return policy === 'hold' ? 'the boot failed' : await this.#history.reasonToHold()
  }

  /** Shutdown, undo, and the end of whatever is left of this life. */
  async #runShutdown(): Promise<PipelineEnd & { shutdownMs: number }> {
    this.#phase = 'shutdown'
    this.#shutdownAt = Date.now()
    const end = await this.#shutdown.run()
    const { env } = this.#request
    await endProcesses(() => processesMarked(bootMark, env[bootMark]), this.#sweepPatience())
    return { ...end, shutdownMs: this.#tellHistory(end.result) }
  }

  #tellHistory(result: PipelineResult): number {
    const shutdownMs = Date.now() - this.#shutdownAt
    this.#history.shutDown(result, shutdownMs, this.#stop.isRequested)
    return shutdownMs
  }

  #sweepPatience(): number {
    const deadline = this.#stop.deadline() ?? Number.POSITIVE_INFINITY
    return Math.max(0, Math.min(sweepPatienceMs, deadline - Date.now()))
  }

  #mainFacts(): MainFacts {
    return this.#boot.end?.main ?? mainWithoutRecipe(this.#request.command ?? [])
  }

  #onBootFailure(): RecipeFacts['onBootFailure'] {
    return this.#boot.recipe?.onBootFailure ?? 'exit'
  }

  #emit(event: NewEvent): void {
    this.#report({ ...event, time: Date.now() })
  }
}
