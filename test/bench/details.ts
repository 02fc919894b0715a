import type { Arguments } from './arguments.ts'
import { measureManifest } from './manifest-facts.ts'
import type { Bench } from './peers/peer.ts'
import { missingProgram } from './programs.ts'
import type { Details } from './run.ts'
import { countSystemCalls } from './system-calls.ts'

/** What is counted once rather than timed in rounds. */
export async function measureDetails(bench: Bench, asked: Arguments): Promise<Details> {
  const manifest = measureManifest(bench)
  const missing = missingProgram('strace')
  if (missing !== undefined) return { manifest, missing: [`strace: ${missing}`] }
  return { manifest, systemCalls: await countSystemCalls(bench, asked), missing: [] }
}
