import { createExclusion } from './exclude-rules.ts'
import { type ScannedDirectory, scanDirectory } from './scan-directory.ts'
import { FileRows, ROW } from './scan-rows.ts'
import type { ScanTask } from './scan.ts'

export interface ScannedBatch {
  /** One for each path that was asked. */
  directories: ScannedDirectory[]
  /** The rows of their files, in memory that goes over to the other thread. */
  values: Float64Array<ArrayBuffer>
}

let last: { key: string; why: ReturnType<typeof createExclusion> } | undefined

/** Its expressions are made once for all tasks of a scan. */
function exclusionOf(rules: ScanTask['rules']): ReturnType<typeof createExclusion> {
  if (rules === undefined) return () => () => undefined
  const key = JSON.stringify(rules)
  if (last?.key !== key) last = { key, why: createExclusion(rules) }
  return last.why
}

/** Reads some directories, in a worker. */
export function performScan({ root, device, rules, paths }: ScanTask): ScannedBatch {
  const rows = new FileRows()
  const why = exclusionOf(rules)
  const directories = paths.map((path) => scanDirectory({ root, device, rows }, path, why(path)))
  return { directories, values: rows.values.slice(0, rows.count * ROW.width) }
}
