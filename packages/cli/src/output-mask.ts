import { type ErrorFacts, errorFacts } from '@berth/core/error'
import { createMask, credentialVariables, type Mask } from '@berth/core/mask'

let secretNames: readonly string[] = []
let mask: Mask | undefined

/** From now on the values of these environment variables are secrets of this process: those that its recipe declares. */
export function hideVariables(names: readonly string[]): void {
  secretNames = names
  mask = undefined
}

/** Hides credentials of the environment in what this process says itself; what a pipeline says has passed its own mask. */
export function outputMask(): Mask {
  mask ??= createMask({
    ...credentialVariables(process.env),
    ...Object.fromEntries(secretNames.map((name) => [name, process.env[name] ?? ''])),
  })
  return mask
}

/** Anything thrown as data that may be shown: the value that was wrong may have been a secret in the wrong place. */
export function shownError(error: unknown): ErrorFacts {
  return outputMask().value(errorFacts(error))
}
