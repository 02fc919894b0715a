import { inspect } from 'node:util'

const SHOWN = '[secret]'

/**
 * A value that doesn't print itself: as text, as JSON, in a template and in `inspect` it is `[secret]`. Only `reveal()` gives the
 * value, so that every place that uses it can be found by that name.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return SHOWN
  }

  toJSON(): string {
    return SHOWN
  }

  [inspect.custom](): string {
    return SHOWN
  }
}
