import type { Arguments } from './arguments.ts'
import type { MachineFacts } from './machine.ts'
import type { Cost } from './measure.ts'
import type { Census } from './trees/census.ts'

/** One measured round of one program. */
export interface Sample extends Cost {
  requests: number
  puts: number
  /** What the server sent and stored. */
  bytes: number
  serverCpuSeconds: number
  /** Of everything else on the machine: the kernel's own threads, and whoever shares it. */
  othersCpuSeconds: number
}

/** All rounds of one program. */
export interface Series {
  name: string
  about: string
  samples: Sample[]
  /** What did not come back as it was; empty when all did, or when nothing was to come back. */
  lost: string[]
  /** Why it was not measured. */
  missing?: string
}

/** What one bench found: a line of results.json. */
export interface Run {
  date: string
  arguments: Omit<Arguments, 'only' | 'quick' | 'suite'>
  machine: MachineFacts
  /** Name to version. */
  versions: Record<string, string>
  cores: number
  tree: { name: string; census: Census; storedBytes: number; chunks: number }
  /** The first is Berth, then its peers, then the parts of the floor. */
  restores: Series[]
  saves: Series[]
  details: Details
}

/** Numbers that are not times of a command, or that only Berth has. What could not be had is absent. */
export interface Details {
  systemCalls?: { calls: number; smallFiles: number; byName: Record<string, number> }
  manifest?: { storedBytes: number; firstParseMs: number; parseMs: number }
  oneFile?: SavedObjects
  onePackage?: SavedObjects
  /** Why something is absent. */
  missing: string[]
}

/** What a save put into the store, and what that would be at the least. */
export interface SavedObjects {
  puts: number
  bytes: number
  manifestBytes: number
  /** Of the changed files, in a tar through zstd -3. */
  changedBytes: number
}
