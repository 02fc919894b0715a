/** What was found out about one thing; the same shape as that of the checks of buckets. */
export interface Check {
  name: string
  /** `warning`: it works, and something is not as it should be. `told`: of use to whoever looks for a cause, and nothing to judge. */
  result: 'ok' | 'warning' | 'failed' | 'told'
  said: string
  /** The cure. */
  hint?: string
}

export function ok(name: string, said: string): Check {
  return { name, result: 'ok', said }
}

export function told(name: string, said: string): Check {
  return { name, result: 'told', said }
}

export function warning(name: string, said: string, hint: string): Check {
  return { name, result: 'warning', said, hint }
}
