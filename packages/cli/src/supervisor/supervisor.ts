import type { BerthEvent, NewEvent, PipelineResult } from '@berth/core'
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts'
import { hideVariables, shownError } from '../output-mask.ts'
import { formatDuration } from '../reporters/format.ts'
import { bootMark } from './boot-environment.ts'
import type { BootRequest } from './boot-request.ts'
import type { ControlHandlers } from './control-socket.ts'
import { controlsOf, type LifePhase } from './controls.ts'
import { type Ending, podExitCode, withDeferred } from './exit-code.ts'
import { type Life, readLife } from './life-file.ts'
import { LifeHistory } from './life-history.ts'
import { awake, MainPhase } from './main-phase.ts'
import type { PipelineChild } from './pipeline-child.ts'
import type { PipelineEnd, PipelineHandle } from './pipeline-handle.ts'
import { Pipelines } from './pipelines.ts'
import { endProcesses, killAtOnce, processesMarked } from './process-table.ts'
import { type MainFacts, mainWithoutRecipe, type RecipeFacts } from './protocol.ts'
import { endRemains } from './remains.ts'
import { ShutdownPhase } from './shutdown-phase.ts'
import type { ShutdownEnd } from './shutdown-request.ts'
import { isStopSignal, type ReceivedSignal, type StopSignal } from './signals.ts'
import { StopRequest } from './stop-request.ts'
import { lifeSummary } from './summary.ts'

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
  #recipe: RecipeFacts | undefined
  #boot: PipelineHandle | undefined
  #bootResult: PipelineResult | undefined
  #finished = Promise.withResolvers<ShutdownEnd>()
  #abandoned = Promise.withResolvers<number>()

  /** With a life, one that has begun already: its supervisor was killed, and `finish` ends it. */
  constructor(
    request: BootRequest,
    report: (event: BerthEvent) => void,
    begun: { firstChild?: PipelineChild; life?: Life },
  ) {
    this.#request = request
    this.#report = report
    this.#pipelines = new Pipelines(request, report, begun)
    const emit = (event: NewEvent): void => this.#emit(event)
    this.#history = new LifeHistory(request, emit)
    this.#shutdown = new ShutdownPhase({ pipelines: this.#pipelines, stop: this.#stop, emit })
    this.#main = new MainPhase({
      pipelines: this.#pipelines,
      stop: this.#stop,
      env: request.env,
      emit,
      // Its modules load while main stops; a short grace has no time to waste.
      stopping: () => this.#shutdown.prepare(),
      starting: () => this.#request.health?.freePort(),
    })
    this.controls = controlsOf({
      stop: this.#stop,
      facts: () => ({
        recipe: this.#recipe?.name ?? request.recipe,
        phase: this.#phase,
        startedAt: this.#startedAt,
        boot: this.#bootResult,
        main: this.#main.facts,
      }),
      beginStop: () => this.#beginStop(),
      finished: this.#finished.promise,
      emit,
    })
  }

  async run(): Promise<number> {
    return Promise.race([this.#liveSafely(), this.#abandoned.promise])
  }

  /** Ends a life whose supervisor was killed: what is left of its main and pipelines, then shutdown and undo. */
  async finish(life: Life, graceMs: number | undefined): Promise<ShutdownEnd> {
    this.#phase = 'shutdown'
    this.#stop.graceMs = graceMs ?? life.graceMs
    // Without one nobody is about to kill us.
    if (graceMs !== undefined) this.#stop.request({ at: Date.now() })
    const end = async (): Promise<ShutdownEnd> => {
      this.#shutdown.prepare()
      await endRemains(life, this.#stop.halfDeadline())
      const { result, shutdownMs } = await this.#runShutdown()
      const isRight = result === 'ready' || result === 'degraded'
      const exitCode = isRight ? exitCodes.right : exitCodes.failed
      const recipe = this.#shutdown.recipe?.name ?? life.recipe
      const how = `shutdown ${result === 'ready' ? 'complete' : result}`
      const summary = `${recipe}: ${how} in ${formatDuration(shutdownMs)}`
      const ended = { state: 'ended', result, exitCode, shutdownMs, summary } as const
      await this.#finish(ended)
      return ended
    }
    const abandoned = this.#abandoned.promise.then((exitCode): ShutdownEnd => {
      const summary = 'a third signal ended the shutdown'
      return { state: 'ended', result: 'cancelled', exitCode, shutdownMs: 0, summary }
    })
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
    const boot = await this.#runBoot()
    if (boot === 'refused') return exitCodes.usage
    const bootMs = Date.now() - this.#startedAt
    this.#bootResult = boot.result
    this.#history.booted(boot.result, bootMs)
    const main = await this.#runMain(boot)
    const { shutdownMs, ...shutdown } = await this.#runShutdown()
    const code = podExitCode({
      boot: withDeferred(boot.result, this.#main.deferred),
      onBootFailure: this.#onBootFailure(),
      hasCommand: this.#mainFacts(boot).command.length > 0,
      main,
      shutdown: shutdown.result,
      stopSignal: this.#stop.signal?.name,
      strict: this.#request.strict,
    })
    const recipe = this.#recipe?.name ?? this.#request.recipe
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
    if (this.#boot !== undefined) {
      this.#cancelBoot(this.#boot)
      return 'cancelling the boot'
    }
    const left = `${formatDuration((this.#stop.deadline() ?? 0) - Date.now())} left`
    if (this.#shutdown.hasten()) return `the shutdown has ${left}`
    return `${this.#main.process === undefined ? 'shutting down' : 'stopping main'}, ${left}`
  }

  /** What the third signal asks for: nothing is saved or taken back any more. The journal stays, for `berth shutdown` or the next boot. */
  #endAtOnce(name: StopSignal): void {
    const { env } = this.#request
    this.#emit({ type: 'signal', name, action: 'a third time: ending at once' })
    killAtOnce(() => processesMarked(bootMark, env[bootMark]))
    this.#abandoned.resolve(exitCodeOfSignal(name))
  }

  async #runBoot(): Promise<PipelineEnd | 'refused'> {
    const boot = this.#pipelines.start('boot')
    this.#boot = boot
    const loaded = await boot.loaded
    if ('recipe' in loaded) {
      this.#recipe = loaded.recipe
      hideVariables(loaded.recipe.secrets)
      this.#stop.graceMs = loaded.recipe.graceMs
      this.#history.begin(loaded.recipe)
      await this.#endEarlierLife()
      this.#pipelines.begin(loaded.recipe)
      void this.#request.health?.open(loaded.recipe.health, () => this.#stop.deadline())
      // The grace may have changed what was decided before the recipe was known.
      if (this.#stop.isRequested) this.#cancelBoot(boot)
      boot.go()
    }
    const end = await boot.finished
    this.#boot = undefined
    if (!('refused' in loaded)) return end
    this.#emit({ type: 'error', error: loaded.refused })
    return 'refused'
  }

  /** What a killed supervisor left must not write into what this boot puts in place. */
  async #endEarlierLife(): Promise<void> {
    const life = readLife(this.#request.stateDirectory)
    if (life === undefined) return
    const text = 'an earlier boot was not put away: what is left of it is ended and taken back'
    this.#emit({ type: 'note', level: 'info', text })
    await endRemains(life, this.#stop.halfDeadline())
  }

  #cancelBoot(boot: PipelineHandle): void {
    boot.cancel(this.#stop.signal?.name ?? 'stop')
    boot.killAt(this.#stop.halfDeadline(), 'it did not stop when the boot was cancelled')
  }

  /** Resolves when main is gone, with how it ended; with `undefined` when there was none to run. */
  async #runMain(boot: PipelineEnd): Promise<Ending | undefined> {
    if (this.#stop.isRequested) return undefined
    const hasFailed = boot.result === 'failed'
    const policy = this.#onBootFailure()
    const reason = policy === 'hold' ? 'the boot failed' : this.#history.reasonToHold()
    if (hasFailed && policy === 'exit' && reason === undefined) return undefined
    this.#phase = 'main'
    this.#pipelines.use()
    if (!hasFailed || policy === 'continue') {
      return this.#main.run(this.#mainFacts(boot), this.#recipe)
    }
    await this.#main.wait(reason ?? policy)
    return undefined
  }

  /** Shutdown, undo, and the end of whatever is left of this life. */
  async #runShutdown(): Promise<PipelineEnd & { shutdownMs: number }> {
    this.#phase = 'shutdown'
    const startedAt = Date.now()
    const end = await this.#shutdown.run()
    const { env } = this.#request
    await endProcesses(() => processesMarked(bootMark, env[bootMark]), this.#sweepPatience())
    const shutdownMs = Date.now() - startedAt
    this.#history.shutDown(end.result, shutdownMs, this.#stop.isRequested)
    return { ...end, shutdownMs }
  }

  #sweepPatience(): number {
    const deadline = this.#stop.deadline() ?? Number.POSITIVE_INFINITY
    return Math.max(0, Math.min(sweepPatienceMs, deadline - Date.now()))
  }

  #mainFacts(boot: PipelineEnd): MainFacts {
    return boot.main ?? mainWithoutRecipe(this.#request.command ?? [])
  }

  #onBootFailure(): RecipeFacts['onBootFailure'] {
    return this.#recipe?.onBootFailure ?? 'exit'
  }

  #emit(event: NewEvent): void {
    this.#report({ ...event, time: Date.now() })
  }
}
