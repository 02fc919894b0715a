import type { NewEvent } from '@berth/core'
import { unhurriedMs } from './grace.ts'
import type { PipelineEnd, PipelineHandle } from './pipeline-handle.ts'
import type { Pipelines } from './pipelines.ts'
import type { RecipeFacts } from './protocol.ts'
import type { StopRequest } from './stop-request.ts'

/** The end of a life: the shutdown's steps and the undo stack, in one process, which is killed when its time is over. */
export class ShutdownPhase {
  #with: { pipelines: Pipelines; stop: StopRequest; emit: (event: NewEvent) => void }
  #pipeline: PipelineHandle | undefined
  /** Known once it has been loaded. */
  recipe: RecipeFacts | undefined

  constructor(surroundings: {
    pipelines: Pipelines
    stop: StopRequest
    emit: (event: NewEvent) => void
  }) {
    this.#with = surroundings
  }

  /** Loads it already; it begins with `run`. */
  prepare(): void {
    this.#pipeline ??= this.#with.pipelines.start('shutdown')
  }

  /** Never rejects; resolves when its process is gone. */
  async run(): Promise<PipelineEnd> {
    const { stop, emit } = this.#with
    const now = Date.now()
    this.#pipeline ??= this.#with.pipelines.start('shutdown')
    const shutdown = this.#pipeline
    const limit = (): number => stop.deadline() ?? now + Math.max(unhurriedMs, stop.graceMs)
    shutdown.killAt(limit(), 'it was killed because its time was over')
    const loaded = await shutdown.loaded
    if ('refused' in loaded) emit({ type: 'error', error: loaded.refused })
    else shutdown.go(limit())
    if ('recipe' in loaded) this.recipe = loaded.recipe
    if (stop.isUrgent) shutdown.skipOptional()
    const end = await shutdown.ended
    return 'refused' in loaded ? { result: 'failed' } : end
  }

  /** Moves its end to what is now the deadline; says whether it has begun. */
  hasten(): boolean {
    const deadline = this.#with.stop.deadline()
    if (deadline !== undefined) this.#pipeline?.hasten(deadline)
    return this.#pipeline !== undefined
  }

  /** What of it has not come to its end, in words; empty where that is nothing. */
  get unfinished(): string {
    return this.#pipeline?.unfinished ?? ''
  }

  skipOptional(): void {
    this.#pipeline?.skipOptional()
  }
}
