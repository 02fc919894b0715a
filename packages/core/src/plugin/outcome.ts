export type FactValue =
  | string
  | number
  | boolean
  | null
  | FactValue[]
  | { [key: string]: FactValue }

/** What a step found or did, as data: numbers in the unit that the key names (`bytes`, `files`, `seconds`), never prose. */
export type Facts = Record<string, FactValue>

export type Outcome<Outputs extends Facts = Facts> =
  | { result: 'done'; facts: Outputs & Facts }
  | { result: 'unchanged'; reason: string; facts: Partial<Outputs> & Facts }
  | { result: 'skipped'; reason: string; facts: Partial<Outputs> & Facts }

/** The step made a difference. Facts that the step declares as outputs become its outputs. */
export function done<const Result extends Facts = Record<never, never>>(
  facts?: Result,
): { result: 'done'; facts: Result } {
  return { result: 'done', facts: facts ?? ({} as Result) }
}

/** Everything already was as it should be. */
export function unchanged<const Result extends Facts = Record<never, never>>(
  reason: string,
  facts?: Result,
): { result: 'unchanged'; reason: string; facts: Result } {
  return { result: 'unchanged', reason, facts: facts ?? ({} as Result) }
}

/** There was nothing to do it to, and that is not an error. */
export function skipped<const Result extends Facts = Record<never, never>>(
  reason: string,
  facts?: Result,
): { result: 'skipped'; reason: string; facts: Result } {
  return { result: 'skipped', reason, facts: facts ?? ({} as Result) }
}
