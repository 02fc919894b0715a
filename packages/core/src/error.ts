/** A place in a recipe. Lines and columns count from 1. */
export interface Position {
  file: string
  line: number
  column: number
}

export interface BerthErrorDetails {
  hint?: string
  at?: Position
  cause?: unknown
  /** All the problems, when one error stands for several (a recipe with five mistakes). */
  problems?: readonly BerthError[]
  /** The source line with a caret under the place, ready to print. */
  excerpt?: string
}

/**
 * What a user can cause and cure. Every other error is a bug and prints its stack.
 *
 * `code` is `<package>/<problem>` in kebab-case and never changes. `message` is one line: what could not be done, to what, why,
 * with the value, without a full stop. `hint` is the cure as an instruction.
 */
export class BerthError extends Error {
  override readonly name = 'BerthError'
  readonly code: string
  readonly hint: string | undefined
  readonly at: Position | undefined
  readonly excerpt: string | undefined
  readonly problems: readonly BerthError[]

  constructor(code: string, message: string, details: BerthErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint
    this.at = details.at
    this.excerpt = details.excerpt
    this.problems = details.problems ?? []
  }
}

/** Says whether an error is a BerthError with this code, or any BerthError when no code is given. */
export function isBerthError(error: unknown, code?: string): error is BerthError {
  // A plugin that is installed may bring its own copy of the class.
  const isOurs =
    error instanceof BerthError ||
    (error instanceof Error && error.name === 'BerthError' && 'code' in error)
  return isOurs && (code === undefined || error.code === code)
}

/** An error as data, as events and reports carry it: no stack for what a user caused, a stack for a bug. */
export interface ErrorFacts {
  code: string
  message: string
  hint?: string
  at?: Position
  excerpt?: string
  stack?: string
  causes?: string[]
  problems?: ErrorFacts[]
}

/** Turns anything thrown into data that survives a process border. */
export function errorFacts(error: unknown): ErrorFacts {
  const causes = causeMessages(error)
  const shared = causes.length > 0 ? { causes } : {}
  if (isBerthError(error)) {
    const { problems = [] } = error as { problems?: readonly BerthError[] }
    return {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.at === undefined ? {} : { at: error.at }),
      ...(error.excerpt === undefined ? {} : { excerpt: error.excerpt }),
      ...(problems.length === 0 ? {} : { problems: problems.map(errorFacts) }),
      ...shared,
    }
  }
  if (error instanceof Error) {
    return { code: 'core/bug', message: error.message, stack: error.stack ?? '', ...shared }
  }
  return { code: 'core/bug', message: String(error) }
}

function causeMessages(error: unknown): string[] {
  const messages: string[] = []
  let cause = error instanceof Error ? error.cause : undefined
  while (cause instanceof Error && messages.length < 5) {
    messages.push(cause.message)
    cause = cause.cause
  }
  return messages
}
