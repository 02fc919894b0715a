import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { ARCHIVE, BERTH_PREFIX } from './peers/berth.ts'
import type { Bench } from './peers/peer.ts'
import type { Details } from './run.ts'

/** The newest manifest that Berth put into the store. */
function manifestFile({ server }: Bench): string {
  const folder = path.join(server.directory, `${BERTH_PREFIX}/snapshots/${ARCHIVE}/@`)
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.json.zst'))
  return path.join(folder, names.toSorted().at(-1) ?? '')
}

/** How large the manifest is, and how long a process takes to read and check it: the first time, and when it is warm. */
export function measureManifest(bench: Bench): NonNullable<Details['manifest']> {
  const file = manifestFile(bench)
  const program = path.join(import.meta.dirname, 'parse-manifest.ts')
  const answer = execFileSync(process.execPath, [program, file], { env: bench.env })
  return { storedBytes: fs.statSync(file).size, ...(JSON.parse(answer.toString()) as Times) }
}

interface Times {
  firstParseMs: number
  parseMs: number
}
