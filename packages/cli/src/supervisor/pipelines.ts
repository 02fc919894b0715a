import { resolve } from 'node:path'
import type { BerthEvent } from '@berth/core'
import type { BootRequest } from './boot-request.ts'
import { bootMark } from './boot-environment.ts'
import { forgetLife, type Life, writeLife } from './life-file.ts'
import { type PipelineChild, startPipelineChild } from './pipeline-child.ts'
import { PipelineHandle } from './pipeline-handle.ts'
import type { PipelineRequest, RecipeFacts } from './protocol.ts'

/** Starts the pipelines of one life, and keeps on the disk what another process must know to end this life, should we be killed. */
export class Pipelines {
  /** Main was started, or someone may have worked here while it waited for a signal. */
  #wasUsed = false
  #request: BootRequest
  #report: (event: BerthEvent) => void
  #firstChild: PipelineChild | undefined
  #recipe: RecipeFacts | undefined
  #running = new Set<number>()
  #main: Life['main']
  #isKept = true

  constructor(
    request: BootRequest,
    firstChild: PipelineChild | undefined,
    report: (event: BerthEvent) => void,
  ) {
    this.#request = request
    this.#firstChild = firstChild
    this.#report = report
  }

  /** Loads the recipe in a process of its own; nothing is touched before `go`. */
  start(
    pipeline: 'boot' | 'shutdown',
    part: Pick<PipelineRequest, 'round' | 'deferred'> = {},
  ): PipelineHandle {
    const { recipe, set, grace, stateDirectory, command, env } = this.#request
    const child = this.#firstChild ?? startPipelineChild(env, this.#request.workingDirectory)
    this.#firstChild = undefined
    const text = this.#recipe?.text ?? this.#request.text
    const life = { wasUsed: this.#wasUsed, stateDirectory, command }
    const request = { recipe, text, pipeline, set, grace, ...life, ...part }
    const handle = new PipelineHandle(request, child, this.#report)
    this.#note(child.process.pid, handle)
    return handle
  }

  /** Before the first step runs. */
  begin(recipe: RecipeFacts): void {
    this.#recipe = recipe
    this.#write()
  }

  use(main?: Life['main']): void {
    this.#wasUsed = true
    this.#main = main
    this.#write()
  }

  end(): void {
    this.#recipe = undefined
    forgetLife(this.#request.stateDirectory)
  }

  #note(pid: number | undefined, handle: PipelineHandle): void {
    if (pid === undefined) return
    this.#running.add(pid)
    this.#write()
    void handle.ended.then(() => this.#running.delete(pid))
  }

  #write(): void {
    const { recipe, set, stateDirectory, env, workingDirectory } = this.#request
    if (this.#recipe === undefined || !this.#isKept) return
    const life: Life = {
      version: 1,
      recipe: resolve(workingDirectory, recipe),
      text: this.#recipe.text,
      set,
      workingDirectory,
      graceMs: this.#recipe.graceMs,
      mark: env[bootMark],
      wasUsed: this.#wasUsed,
      pipelines: [...this.#running],
      main: this.#main,
    }
    try {
      writeLife(stateDirectory, life)
    } catch (error) {
      this.#isKept = false
      const text = `should the supervisor be killed, \`berth shutdown\` will not know how to end this pod: ${(error as Error).message}`
      this.#report({ type: 'note', level: 'warn', text, time: Date.now() })
    }
  }
}
