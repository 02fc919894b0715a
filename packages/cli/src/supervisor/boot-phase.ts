import type { NewEvent } from '@berth/core'
import { hideVariables } from '../output-mask.ts'
import type { BootRequest } from './boot-request.ts'
import { mostDebts, type OwedLife, owedLives, owedText } from './debts.ts'
import { readLife } from './life-file.ts'
import type { LifeHistory } from './life-history.ts'
import type { PipelineEnd, PipelineHandle } from './pipeline-handle.ts'
import type { Pipelines } from './pipelines.ts'
import type { RecipeFacts } from './protocol.ts'
import type { StopRequest } from './stop-request.ts'

interface BootSurroundings {
  request: BootRequest
  pipelines: Pipelines
  history: LifeHistory
  stop: StopRequest
  emit: (event: NewEvent) => void
}

/** The beginning of a life: the recipe is loaded, what an earlier life left is ended, and the boot's steps run. */
export class BootPhase {
  /** Known once it has been loaded. */
  recipe: RecipeFacts | undefined
  /** How it ended. */
  end: PipelineEnd | undefined
  #with: BootSurroundings
  #over = Promise.withResolvers<void>()
  /** While it runs. */
  #pipeline: PipelineHandle | undefined

  constructor(surroundings: BootSurroundings) {
    this.#with = surroundings
  }

  /** Resolves when it has ended, however. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** Never rejects for what a user can cause. `refused`: the recipe is wrong, which has been said, and nothing ran. */
  async run(): Promise<PipelineEnd | 'refused'> {
    const boot = this.#with.pipelines.start('boot')
    this.#pipeline = boot
    const loaded = await boot.loaded
    if ('recipe' in loaded) await this.#begin(boot, loaded.recipe)
    const end = await boot.finished
    this.#pipeline = undefined
    this.#over.resolve()
    if ('refused' in loaded) {
      this.#with.emit({ type: 'error', error: loaded.refused })
      return 'refused'
    }
    this.end = end
    return end
  }

  /** Says whether there was something to cancel. */
  cancel(): boolean {
    const { stop } = this.#with
    this.#pipeline?.cancel(stop.signal?.name ?? 'stop')
    this.#pipeline?.killAt(stop.halfDeadline(), 'it did not stop when the boot was cancelled')
    return this.#pipeline !== undefined
  }

  async #begin(boot: PipelineHandle, recipe: RecipeFacts): Promise<void> {
    const { request, pipelines, history, stop } = this.#with
    this.recipe = recipe
    hideVariables(recipe.secrets)
    stop.graceMs = recipe.graceMs
    history.begin(recipe)
    await this.#endEarlierLife()
    this.#tellDebts(pipelines.begin(recipe))
    void request.health?.open(recipe.health, () => stop.deadline())
    // The grace may have changed what was decided before the recipe was known.
    if (stop.isRequested) this.cancel()
    boot.go()
  }

  /** What other recipes, or this one with other values, have left to be put away, in one line. */
  #tellDebts(dropped: readonly OwedLife[]): void {
    const { request, emit } = this.#with
    const debts = owedLives(request.stateDirectory).filter(({ isDebt }) => isDebt)
    const text = `the shutdown of ${listed(debts)} did not run: \`berth shutdown\` after this boot does it`
    if (debts.length > 0) emit({ type: 'note', level: 'warn', text })
    const over = `the shutdown of ${listed(dropped)} did not run, and is known no longer: only ${mostDebts} are kept`
    if (dropped.length > 0) emit({ type: 'note', level: 'warn', text: over })
  }

  /** What a killed supervisor left must not write into what this boot puts in place. */
  async #endEarlierLife(): Promise<void> {
    const { request, stop, emit } = this.#with
    const life = readLife(request.stateDirectory)
    if (life === undefined) return
    const text = 'an earlier boot was not put away: what is left of it is ended and taken back'
    emit({ type: 'note', level: 'info', text })
    const { endRemains } = await import('./remains.ts')
    await endRemains(life, stop)
  }
}

function listed(owed: readonly OwedLife[]): string {
  return owed.map(owedText).join(', ')
}
