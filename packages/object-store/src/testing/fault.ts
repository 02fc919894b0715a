/**
 * How a request goes wrong.
 *
 * - an answer in place of the right one: `{ status: 503, code: 'SlowDown' }`
 * - `reset`: the connection is cut before the headers, and nothing was done
 * - `lose-answer`: the request is carried out, then the connection is cut
 * - `reset-mid-body`, `short-body`: half of the body, then a reset, or an orderly end
 * - `stall`: half of the body, then nothing; without a body, no answer at all
 * - `slow`: the body in small pieces
 * - `error-in-200`: the status is 200, the body an error
 */
export type FaultKind =
  | { status: number; code?: string }
  | 'reset'
  | 'lose-answer'
  | 'reset-mid-body'
  | 'short-body'
  | 'stall'
  | 'slow'
  | 'error-in-200'

/** Which requests go wrong, and how. */
export interface Fault {
  kind: FaultKind
  method?: string
  key?: string | RegExp
  /** Part of the query: `list-type` for listings. */
  query?: string
  /** How many matching requests pass before. */
  after?: number
  /** How many are hit; all of them when absent. */
  times?: number
}

/** The faults that are still to come. */
export class FaultPlan {
  private readonly faults: { fault: Fault; after: number; times: number }[] = []

  add(fault: Fault): void {
    this.faults.push({ fault, after: fault.after ?? 0, times: fault.times ?? Infinity })
  }

  clear(): void {
    this.faults.length = 0
  }

  /** The fault that hits this request, which counts as one of its times. */
  take(request: { method: string; key: string; query: string }): FaultKind | undefined {
    for (const planned of this.faults) {
      if (planned.times === 0 || !matches(planned.fault, request)) continue
      if (planned.after > 0) {
        planned.after -= 1
        continue
      }
      planned.times -= 1
      return planned.fault.kind
    }
    return undefined
  }
}

function matches(fault: Fault, request: { method: string; key: string; query: string }): boolean {
  if (fault.method !== undefined && fault.method !== request.method) return false
  if (fault.query !== undefined && !request.query.includes(fault.query)) return false
  if (fault.key === undefined) return true
  return typeof fault.key === 'string' ? fault.key === request.key : fault.key.test(request.key)
}
