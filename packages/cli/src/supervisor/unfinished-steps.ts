import type { BerthEvent } from '@berth/core'

/** Which steps of a pipeline have not come to their end, from its events. */
export class UnfinishedSteps {
  #waiting = new Set<string>()
  #running = new Set<string>()

  hear(event: BerthEvent): void {
    if (event.type === 'pipeline:start') {
      this.#waiting = new Set(event.steps.map(({ id }) => id))
    } else if (event.type === 'step:start' && event.of === undefined) {
      this.#waiting.delete(event.step)
      this.#running.add(event.step)
    } else if (event.type === 'step:end' && event.of === undefined) {
      this.#waiting.delete(event.step)
      this.#running.delete(event.step)
    }
  }

  /** `` `venv` was cut; `outputs`, `logs` never began ``, once the pipeline has been killed; empty where nothing is left. */
  get text(): string {
    const parts = [
      this.#running.size === 0 ? '' : `${listed(this.#running)} was cut`,
      this.#waiting.size === 0 ? '' : `${listed(this.#waiting)} never began`,
    ]
    return parts.filter((part) => part !== '').join('; ')
  }
}

function listed(steps: ReadonlySet<string>): string {
  return [...steps].map((step) => `\`${step}\``).join(', ')
}
