import type { Census, Listing } from '../trees/census.ts'
import type { Command } from '../measure.ts'
import type { BenchServer } from '../server.ts'

/** What every measurement works on. */
export interface Bench {
  tree: string
  listing: Listing
  census: Census
  server: BenchServer
  /** A folder for temporary files, which goes when the bench ends. */
  work: string
  /** All that the measured programs get: nothing of the machine's own settings. */
  env: Record<string, string>
  /** How many processors the measured programs have, and which ones; empty when all. */
  cores: number
  processors: string
}

/** A program that restores a tree from the store. */
export interface Peer {
  name: string
  /** What is run, for the reader of the table. */
  about: string
  /** The installed program that it needs, beside curl, zstd and tar. */
  program?: string
  /** It does only a part of a restore, so that what it leaves is no tree. */
  isPart?: boolean
  /** Puts the tree into the store; not measured. */
  prepare: (bench: Bench) => Promise<void>
  /** Restores into a directory that does not exist yet. `scratch` is an empty folder for what the program keeps. */
  restore: (bench: Bench, place: { directory: string; scratch: string }) => Command
}
