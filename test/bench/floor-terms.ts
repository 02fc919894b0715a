import type { Link } from './arguments.ts'
import type { Run, Series } from './run.ts'
import { median } from './statistics.ts'

/** The floor of a run, and what it is made of: seconds, but for the processors' work. */
export interface Floor {
  fetch: Part
  decode: Part
  create: Part
  /** The work of decoding and creating, spread over all processors. */
  workSeconds: number
  /** The least that a restore can take: the largest of the four. */
  seconds: number
  /** The same when what fetching costs the processors, the server's included, is counted as well. */
  withFetchSeconds: number
  /** Which term is the largest. */
  binds: string
}

interface Part {
  name: string
  wallSeconds: number
  cpuSeconds: number
  serverCpuSeconds: number
}

/**
 * `max(fetch, decode, create, (CPU of decode + CPU of create) / cores)`, each part from its fastest variant: no restore ends before the
 * last byte came, and the processors have to do both works. Undefined where a part was not measured.
 */
export function computeFloor({
  restores,
  cores,
}: Pick<Run, 'restores' | 'cores'>): Floor | undefined {
  const [fetch, decode, create] = ['fetch', 'decode', 'create'].map((kind) => best(restores, kind))
  if (fetch === undefined || decode === undefined || create === undefined) return undefined
  const work = decode.cpuSeconds + create.cpuSeconds
  const terms = {
    fetch: fetch.wallSeconds,
    decode: decode.wallSeconds,
    create: create.wallSeconds,
    'decode + create on all processors': work / cores,
  }
  const seconds = Math.max(...Object.values(terms))
  const withFetch = (work + fetch.cpuSeconds + fetch.serverCpuSeconds) / cores
  return {
    fetch,
    decode,
    create,
    workSeconds: work / cores,
    seconds,
    withFetchSeconds: Math.max(seconds, withFetch),
    binds: Object.entries(terms).find(([, value]) => value === seconds)?.[0] ?? '',
  }
}

function best(restores: readonly Series[], kind: string): Part | undefined {
  return restores
    .filter(({ name, samples }) => name.startsWith(`${kind}-`) && samples.length > 0)
    .map(({ name, samples }) => ({
      name,
      wallSeconds: median(samples.map((sample) => sample.wallSeconds)),
      cpuSeconds: median(samples.map((sample) => sample.cpuSeconds)),
      serverCpuSeconds: median(samples.map((sample) => sample.serverCpuSeconds)),
    }))
    .toSorted((a, b) => a.wallSeconds - b.wallSeconds)[0]
}

/** What the link alone asks for: three round trips (hint, manifest, chunks), and all bytes at its rate. */
export function linkSeconds({ roundTripMs, megabits }: Link, storedBytes: number): number {
  return (3 * roundTripMs) / 1000 + storedBytes / (megabits * 125_000)
}
