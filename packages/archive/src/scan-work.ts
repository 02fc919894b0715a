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

/** Reads some directories, in a worker. */
export function performScan({ root, device, rules, paths }: ScanTask): ScannedBatch {
  const rows = new FileRows()
  const why = rules === undefined ? () => () => undefined : createExclusion(rules)
  const directories = paths.map((path) => scanDirectory({ root, device, rows }, path, why(path)))
  return { directories, values: rows.values.slice(0, rows.count * ROW.width) }
}
