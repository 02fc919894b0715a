import type { Arguments } from './arguments.ts'
import { rethrowInterruption } from './interruption.ts'
import { measureManifest } from './manifest-facts.ts'
import type { Bench } from './peers/peer.ts'
import { missingProgram } from './programs.ts'
import type { Details } from './run.ts'
import { countSystemCalls } from './system-calls.ts'

/** What is counted once rather than timed in rounds. */
export async function measureDetails(bench: Bench, asked: Arguments): Promise<Details> {
  const found: Details = { missing: [] }
  try {
    found.manifest = measureManifest(bench)
    const missing = missingProgram('strace')
    if (missing === undefined) found.systemCalls = await countSystemCalls(bench, asked)
    else found.missing.push(`strace: ${missing}`)
  } catch (error) {
    rethrowInterruption(error)
    found.missing.push((error as Error).message)
  }
  return found
}
