import { createExclusion } from './exclude-rules.ts'
import { type ScannedDirectory, scanDirectory } from './scan-directory.ts'
import { FileRows, ROW } from './scan-rows.ts'
import { type TreePath, joinPath } from '../format/tree.ts'
import type { ScanTask } from './scan.ts'

export interface ScannedBatch {
  /** Depth first, by name: what they name and is not here is still to be read. */
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

/** Reads directories and what lies below them, in a worker. */
export function performScan({ root, device, rules, paths, most }: ScanTask): ScannedBatch {
  const rows = new FileRows()
  const why = exclusionOf(rules)
  const directories: ScannedDirectory[] = []
  const walk = paths.toReversed()
  for (let read = 0; read < most && walk.length > 0;) {
    const at = walk.pop() as TreePath
    const found = scanDirectory({ root, device, rows }, at, why(at))
    directories.push(found)
    read += 1 + found.count + found.directories.length + found.links.length
    for (let index = found.directories.length - 1; index >= 0; index--)
      walk.push(joinPath(at, (found.directories[index] as { name: string }).name))
  }
  return { directories, values: rows.values.slice(0, rows.count * ROW.width) }
}
