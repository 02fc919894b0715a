import { resolve } from 'node:path'
import type { BerthEvent } from '@berth/core'
import type { BootRequest } from './boot-request.ts'
import { bootMark } from './boot-environment.ts'
import { keepDebt, type OwedLife, takeOverDebts } from './debts.ts'
import { forgetLife, type Life, writeLife } from './life-file.ts'
import { type PipelineChild, startPipelineChild } from './pipeline-child.ts'
import { PipelineHandle } from './pipeline-handle.ts'
import { readStat } from './process-table.ts'
import type { PipelineRequest, RecipeFacts } from './protocol.ts'

/** Starts the pipelines of one life, and keeps on the disk what another process must know to end this life, should we be killed. */
export class Pipelines {
  #request: BootRequest
  #report: (event: BerthEvent) => void
  #firstChild: PipelineChild | undefined
  #running = new Set<number>()
  /** From the first step on. */
  #life: Life | undefined
  #isKept = true

  /** With a life, one that has begun already: its supervisor was killed. */
  constructor(
    request: BootRequest,
    report: (event: BerthEvent) => void,
    { firstChild, life }: { firstChild?: PipelineChild | undefined; life?: Life | undefined },
  ) {
    this.#request = request
    this.#report = report
    this.#firstChild = firstChild
    this.#life = life
  }

  /** Loads the recipe in a process of its own; nothing is touched before `go`. */
  start(
    pipeline: 'boot' | 'shutdown',
    part: Pick<PipelineRequest, 'round' | 'deferred'> = {},
  ): PipelineHandle {
    const { recipe, set, grace, stateDirectory, command, env } = this.#request
    const child = this.#firstChild ?? startPipelineChild(env, this.#request.workingDirectory)
    this.#firstChild = undefined
    const known = { text: this.#life?.text, wasUsed: this.#life?.wasUsed ?? false }
    const request = { recipe, ...known, pipeline, set, grace, stateDirectory, command, ...part }
    const handle = new PipelineHandle(request, child, this.#report)
    this.#note(child.process.pid, handle)
    return handle
  }

  /** Before the first step runs. Returns the lives that nobody will put away any more: there are too many. */
  begin({ name, text, variables, graceMs }: RecipeFacts): OwedLife[] {
    const { recipe, set, workingDirectory, env } = this.#request
    const life: Life = {
      version: 1,
      name,
      recipe: resolve(workingDirectory, recipe),
      text,
      set,
      variables,
      workingDirectory,
      graceMs,
      mark: env[bootMark],
      wasUsed: false,
      supervisor: { pid: process.pid, startTime: readStat(process.pid)?.startTime ?? '' },
      pipelines: [...this.#running],
      main: undefined,
    }
    const { stateDirectory } = this.#request
    const dropped = this.#keepDebt(life)
    this.#life = life
    this.#write()
    if (this.#isKept) takeOverDebts(stateDirectory, life)
    return dropped
  }

  /** Main is about to be started, or someone may work here while a signal is waited for. */
  use(main?: Life['main']): void {
    if (this.#life !== undefined) this.#life = { ...this.#life, wasUsed: true, main }
    this.#write()
  }

  /** All was put away: nobody has to end this life again. */
  end(): void {
    this.#life = undefined
    forgetLife(this.#request.stateDirectory)
  }

  #note(pid: number | undefined, handle: PipelineHandle): void {
    if (pid === undefined) return
    this.#running.add(pid)
    this.#write()
    void handle.ended.then(() => this.#running.delete(pid))
  }

  #keepDebt(life: Life): OwedLife[] {
    try {
      return keepDebt(this.#request.stateDirectory, life)
    } catch (error) {
      const text = `the earlier boot, which was not put away, could not be kept for \`berth shutdown\`: ${(error as Error).message}`
      this.#report({ type: 'note', level: 'warn', text, time: Date.now() })
      return []
    }
  }

  #write(): void {
    if (this.#life === undefined || !this.#isKept) return
    try {
      writeLife(this.#request.stateDirectory, { ...this.#life, pipelines: [...this.#running] })
    } catch (error) {
      this.#isKept = false
      const text = `should the supervisor be killed, \`berth shutdown\` will not know how to end this pod: ${(error as Error).message}`
      this.#report({ type: 'note', level: 'warn', text, time: Date.now() })
    }
  }
}
