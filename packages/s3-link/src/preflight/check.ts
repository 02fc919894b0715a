import { type BerthError, isBerthError } from '@berth/core/error'

/** One question about this machine or a bucket, and its answer. */
export interface Check {
  name: string
  /**
   * `warning`: it works, and something is not as it should be. `skipped`: an earlier check failed. `told`: of use to whoever looks for a
   * cause, and nothing to judge.
   */
  result: 'ok' | 'warning' | 'failed' | 'skipped' | 'told'
  said: string
  /** Of a warning or a failure. */
  code?: string
  hint?: string
  ms?: number
}

/** What a check found out: in order, or not quite. Throws what is wrong. */
export type Finding = string | { warning: string; code?: string; hint?: string }

export interface Question<Probe> {
  name: string
  ask: (probe: Probe & { signal: AbortSignal }) => Promise<Finding>
  /** What an error means that has no code of its own. */
  explain: (error: unknown) => BerthError
}

const checkMs = 10_000

/**
 * Asks one question after the other, ten seconds each at most, and stops at the first that fails: the rest would only repeat it.
 */
export async function runChecks<Probe>(
  questions: readonly Question<Probe>[],
  probe: Probe & { signal: AbortSignal },
): Promise<{ checks: Check[]; error: BerthError | undefined }> {
  const checks: Check[] = []
  let failure: BerthError | undefined
  for (const question of questions) {
    if (failure !== undefined) {
      checks.push({ name: question.name, result: 'skipped', said: '' })
      continue
    }
    const { error, ...check } = await runCheck(question, probe)
    failure = error
    checks.push(check)
  }
  return { checks, error: failure }
}

/** A failure as one of the checks. */
export function failedCheck(name: string, { code, message, hint }: BerthError): Check {
  return { name, result: 'failed', said: message, code, ...(hint === undefined ? {} : { hint }) }
}

async function runCheck<Probe>(
  { name, ask, explain }: Question<Probe>,
  probe: Probe & { signal: AbortSignal },
): Promise<Check & { error?: BerthError }> {
  const startedAt = performance.now()
  const within = AbortSignal.any([probe.signal, AbortSignal.timeout(checkMs)])
  const took = () => Math.round(performance.now() - startedAt)
  try {
    const found = await withEnd(ask({ ...probe, signal: within }), within)
    if (typeof found === 'string') return { name, result: 'ok', said: found, ms: took() }
    const { warning, ...rest } = found
    return { name, result: 'warning', said: warning, ...rest, ms: took() }
  } catch (thrown) {
    probe.signal.throwIfAborted()
    const error = isBerthError(thrown) ? thrown : explain(thrown)
    return { ...failedCheck(name, error), ms: took(), error }
  }
}

/** What does not end by itself is left. */
function withEnd<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new Error('it did not answer in time'))
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
