import { setTimeout as sleep } from 'node:timers/promises'
import { defaultPatience, retryDelayMs, type Patience } from './patience.ts'
import { Pool } from './pool.ts'
import { s3Error, type Doing } from './s3-error.ts'
import { isPassing, readFailure, S3Failure } from './s3-failure.ts'
import { S3Requests } from './s3-requests.ts'
import type { S3Settings } from './settings.ts'
import type { RequestOptions } from './store.ts'

type Task<Result> = (signal: AbortSignal | undefined) => Promise<Result>

/** Requests with everything around them: the pool, the retries, the signals, and errors that say what was being done. */
export class S3Session {
  readonly settings: S3Settings
  readonly requests: S3Requests
  /** The bucket has been seen to exist. */
  bucketSeen = false
  readonly patience: Patience
  private readonly pool: Pool
  private readonly storeSignal: AbortSignal | undefined
  private hasAnswered = false

  constructor(
    settings: S3Settings,
    storeSignal: AbortSignal | undefined,
    patience: Partial<Patience>,
  ) {
    this.settings = settings
    this.storeSignal = storeSignal
    this.patience = { ...defaultPatience, attempts: settings.provider.attempts, ...patience }
    this.pool = new Pool(settings.pool)
    this.requests = new S3Requests(settings, this.patience)
  }

  /** Runs a task of one request until it succeeds or retrying is pointless; then throws a BerthError. */
  async run<Result>(doing: Doing, options: RequestOptions, task: Task<Result>): Promise<Result> {
    try {
      return await this.attempt(options, task)
    } catch (error) {
      throw this.explain(error, doing)
    }
  }

  /** Like `run`, but throws the S3Failure, for callers to whom it is an answer. */
  async attempt<Result>(options: RequestOptions, task: Task<Result>): Promise<Result> {
    const signals = [options.signal, this.storeSignal].filter((signal) => signal !== undefined)
    const signal = signals.length < 2 ? signals[0] : AbortSignal.any(signals)
    return this.pool.run(signal, () => this.retry(signal, task))
  }

  /** Turns a failure into the error that a user sees; everything else stays what it is. */
  explain(error: unknown, doing: Doing): unknown {
    return error instanceof S3Failure ? s3Error(error, doing, this.settings) : error
  }

  /** The key in the bucket. */
  fullKey(key: string): string {
    const { prefix } = this.settings
    return prefix === '' ? key : `${prefix}/${key}`
  }

  private async retry<Result>(
    signal: AbortSignal | undefined,
    task: Task<Result>,
  ): Promise<Result> {
    for (let attempt = 1, total = 1; ; attempt++, total++) {
      try {
        const result = await task(signal)
        this.hasAnswered = true
        return result
      } catch (error) {
        if (signal?.aborted) throw signal.reason
        const failure = readFailure(error)
        if (failure === undefined) throw error
        if (failure.progressed) attempt = 1
        if (!isPassing(failure) || attempt >= this.attemptsFor(failure)) {
          failure.attempts = total
          throw failure
        }
        await sleep(retryDelayMs(this.patience, attempt), undefined, signal && { signal }).catch(
          () => signal?.throwIfAborted(),
        )
      }
    }
  }

  private attemptsFor(failure: S3Failure): number {
    const { attempts, attemptsToReach } = this.patience
    if (failure.kind === 'unreachable') {
      return this.hasAnswered ? attempts : Math.min(attempts, attemptsToReach)
    }
    this.hasAnswered = true
    return failure.kind === 'skew' ? Math.min(attempts, 3) : attempts
  }
}
