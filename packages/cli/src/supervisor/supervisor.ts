import { flushCompileCache } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BerthEvent, NewEvent } from '@berth/core'
import { exitCodes } from '../exit-codes.ts'
import { hideVariables, shownError } from '../output-mask.ts'
import { formatDuration } from '../reporters/format.ts'
import { type BootEnvironment, bootMark } from './boot-environment.ts'
import { type Ending, podExitCode } from './exit-code.ts'
import { unhurriedMs } from './grace.ts'
import { type MainProcess, notStartedCode, startMain } from './main-process.ts'
import { type PipelineChild, startPipelineChild } from './pipeline-child.ts'
import { type PipelineEnd, PipelineHandle } from './pipeline-handle.ts'
import { endProcesses, processesMarked } from './process-table.ts'
import type { MainFacts, RecipeFacts } from './protocol.ts'
import { keepRounds } from './rounds.ts'
import { isStopSignal, type ReceivedSignal } from './signals.ts'
import { StopRequest } from './stop-request.ts'
import { lifeSummary } from './summary.ts'

/** Between SIGTERM and SIGKILL for what is left in the container at the very end. */
const sweepPatienceMs = 200

export interface BootRequest {
  recipe: string
  set: Record<string, string>
  grace: string | undefined
  strict: boolean
  stateDirectory: string
  /** After `--`; overrides the recipe's. */
  command: string[] | undefined
  /** Of all that it starts. */
  env: BootEnvironment
}

/**
 * The container's life: boot, main, and, whatever ends main, shutdown and undo under one deadline. Touches no step's files: each
 * pipeline runs in a process of its own. `run` resolves with the exit code; every signal goes to `receive`.
 */
export class Supervisor {
  #request: BootRequest
  #report: (event: BerthEvent) => void
  #env: BootEnvironment
  #firstChild: PipelineChild | undefined
  #stop = new StopRequest()
  #recipe: RecipeFacts | undefined
  #boot: PipelineHandle | undefined
  #main: MainProcess | undefined
  #shutdown: PipelineHandle | undefined
  /** Main was started, or someone may have worked here while it waited for a signal. */
  #wasUsed = false

  constructor(
    request: BootRequest,
    firstChild: PipelineChild,
    report: (event: BerthEvent) => void,
  ) {
    this.#request = request
    this.#firstChild = firstChild
    this.#report = report
    this.#env = request.env
  }

  async run(): Promise<number> {
    try {
      return await this.#live()
    } catch (error) {
      // A bug of ours must not cost the save.
      this.#emit({ type: 'error', error: shownError(error) })
      await this.#main?.clear(this.#stop.halfDeadline())
      await this.#runShutdown(Date.now())
      return exitCodes.failed
    }
  }

  async #live(): Promise<number> {
    const startedAt = Date.now()
    const boot = await this.#runBoot()
    if (boot === 'refused') return exitCodes.usage
    const bootMs = Date.now() - startedAt
    const main = await this.#runMain(boot)
    const shutdownAt = Date.now()
    const shutdown = await this.#runShutdown(shutdownAt)
    const shutdownMs = Date.now() - shutdownAt
    await endProcesses(() => processesMarked(bootMark, this.#env[bootMark]), sweepPatienceMs)
    const code = podExitCode({
      boot: boot.result,
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
    return code
  }

  /** Acts on a signal: the first that stops begins the end, the second skips what is optional; others are main's. */
  receive(signal: ReceivedSignal): void {
    const { name } = signal
    // A terminal has sent these to main itself, and what they mean is main's to say: a shell stays.
    const isTerminals = name === 'SIGINT' || name === 'SIGQUIT' || name === 'SIGWINCH'
    if (this.#main?.hasTerminal === true && isTerminals) return
    if (!isStopSignal(name)) {
      this.#main?.signal(name)
    } else if (this.#stop.signal === undefined) {
      this.#stop.request(signal)
      this.#emit({ type: 'signal', name, action: this.#beginStop() })
    } else if (!this.#stop.isUrgent) {
      this.#stop.isUrgent = true
      this.#emit({ type: 'signal', name, action: 'again: skipping what is optional' })
      void this.#main?.clear(0)
      this.#shutdown?.skipOptional()
    }
  }

  /** Tells what runs that it must stop; answers what was done. */
  #beginStop(): string {
    const deadline = this.#stop.deadline() ?? 0
    if (this.#boot !== undefined) {
      this.#cancelBoot(this.#boot)
      return 'cancelling the boot'
    }
    const left = `${formatDuration(deadline - Date.now())} left`
    this.#shutdown?.hasten(deadline)
    if (this.#shutdown !== undefined) return `the shutdown has ${left}`
    return `${this.#main === undefined ? 'shutting down' : 'stopping main'}, ${left}`
  }

  async #runBoot(): Promise<PipelineEnd | 'refused'> {
    const boot = this.#start('boot')
    this.#boot = boot
    const loaded = await boot.loaded
    if ('recipe' in loaded) {
      this.#recipe = loaded.recipe
      hideVariables(loaded.recipe.secrets)
      this.#stop.graceMs = loaded.recipe.graceMs
      // The grace may have changed what was decided before the recipe was known.
      if (this.#stop.signal !== undefined) this.#cancelBoot(boot)
      boot.go()
    }
    const end = await boot.ended
    this.#boot = undefined
    if (!('refused' in loaded)) return end
    this.#emit({ type: 'error', error: loaded.refused })
    return 'refused'
  }

  #cancelBoot(boot: PipelineHandle): void {
    boot.cancel(this.#stop.signal?.name ?? 'stop')
    boot.killAt(this.#stop.halfDeadline(), 'it did not stop when the boot was cancelled')
  }

  /** Resolves when main is gone, with how it ended; with `undefined` when there was none to run. */
  async #runMain(boot: PipelineEnd): Promise<Ending | undefined> {
    if (this.#stop.signal !== undefined) return undefined
    const goesOn = boot.result !== 'failed' || this.#onBootFailure() !== 'exit'
    this.#wasUsed = goesOn
    if (boot.result === 'failed' && this.#onBootFailure() !== 'continue') {
      if (goesOn) await this.#waitForStop('the boot failed')
      return undefined
    }
    const ending = new AbortController()
    const rounds = keepRounds(
      this.#recipe?.rounds ?? [],
      (steps) => this.#start('shutdown', steps),
      { signal: ending.signal, killAt: () => this.#stop.halfDeadline() },
    )
    const facts = this.#mainFacts(boot)
    if (facts.command.length === 0) await this.#waitForStop('no command was given')
    const main = facts.command.length === 0 ? undefined : await this.#liveWithMain(facts, ending)
    ending.abort()
    await rounds
    return main
  }

  async #liveWithMain(facts: MainFacts, ending: AbortController): Promise<Ending> {
    const startedAt = Date.now()
    let main: MainProcess
    try {
      main = await startMain(facts, this.#env)
    } catch (error) {
      this.#emit({ type: 'error', error: shownError(error) })
      return { code: notStartedCode(error), signal: null }
    }
    this.#main = main
    this.#emit({ type: 'main:start', command: facts.shown, pid: main.pid })
    // Node does it at the end of a process, and a pod's often ends by SIGKILL: the next start would compile everything anew.
    flushCompileCache()
    await Promise.race([main.ended, this.#stop.requested])
    ending.abort()
    if (this.#stop.signal === undefined) await main.clear(Date.now() + this.#stop.graceMs)
    else await this.#stopMain(main, facts.stopSignal)
    // What not even SIGKILL ends (it waits for a hung volume) must not hold up the saves.
    const stuck = sleep(0).then((): Ending => ({ code: null, signal: 'SIGKILL' }))
    const end = await Promise.race([main.ended, stuck])
    this.#main = undefined
    this.#emit({ type: 'main:end', ...end, durationMs: Date.now() - startedAt })
    return end
  }

  async #stopMain(main: MainProcess, stopSignal: NodeJS.Signals): Promise<void> {
    main.signal(stopSignal)
    // Its modules load while main stops; a short grace has no time to waste.
    this.#shutdown = this.#start('shutdown')
    const deadline = this.#stop.halfDeadline()
    if (!this.#stop.isUrgent) {
      await Promise.race([main.ended, sleep(Math.max(0, deadline - Date.now()))])
    }
    await main.clear(deadline)
  }

  async #runShutdown(now: number): Promise<PipelineEnd> {
    this.#shutdown ??= this.#start('shutdown')
    const shutdown = this.#shutdown
    const limit = (): number =>
      this.#stop.deadline() ?? now + Math.max(unhurriedMs, this.#stop.graceMs)
    shutdown.killAt(limit(), 'it was killed because its time was over')
    const loaded = await shutdown.loaded
    if ('refused' in loaded) this.#emit({ type: 'error', error: loaded.refused })
    else shutdown.go(limit())
    if (this.#stop.isUrgent) shutdown.skipOptional()
    const end = await shutdown.ended
    return 'refused' in loaded ? { result: 'failed' } : end
  }

  async #waitForStop(reason: string): Promise<void> {
    this.#emit({ type: 'note', level: 'info', text: `waiting for a signal: ${reason}` })
    // A pending promise alone does not keep Node alive.
    const alive = setInterval(() => {}, 2 ** 30)
    await this.#stop.requested
    clearInterval(alive)
  }

  #mainFacts(boot: PipelineEnd): MainFacts {
    return boot.main ?? mainWithoutRecipe(this.#request.command ?? [])
  }

  #onBootFailure(): RecipeFacts['onBootFailure'] {
    return this.#recipe?.onBootFailure ?? 'exit'
  }

  #start(pipeline: 'boot' | 'shutdown', round?: string[]): PipelineHandle {
    const { recipe, set, grace, stateDirectory, command } = this.#request
    const own = round === undefined ? {} : { round }
    const text = this.#recipe?.text
    const life = { wasUsed: this.#wasUsed, stateDirectory, command }
    const request = { recipe, text, pipeline, set, grace, ...life, ...own }
    const child = this.#firstChild ?? startPipelineChild(this.#env)
    this.#firstChild = undefined
    return new PipelineHandle(request, child, this.#report)
  }

  #emit(event: NewEvent): void {
    this.#report({ ...event, time: Date.now() })
  }
}

/** What main is when the boot's process died before it could say; its arguments could hold what only that process can mask. */
function mainWithoutRecipe(command: string[]): MainFacts {
  const shown = command.map((word, index) => (index === 0 ? word : '…'))
  return {
    command,
    shown,
    workingDirectory: undefined,
    env: {},
    user: undefined,
    stopSignal: 'SIGTERM',
  }
}
