import * as fs from 'node:fs'
import * as path from 'node:path'
import { runTitle } from './report-machine.ts'
import { writeReport } from './report.ts'
import type { Run } from './run.ts'

/** Puts a run beside those of other kinds, in place of an older one of its own, and writes RESULTS.md anew from all of them. */
export function keepRun(folder: string, run: Run): void {
  const file = path.join(folder, 'results.json')
  const kept = fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as Run[]) : []
  const runs = [run, ...kept.filter((other) => runTitle(other) !== runTitle(run))].toSorted(
    (a, b) => (order(a) < order(b) ? -1 : 1),
  )
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(file, `${JSON.stringify(runs, undefined, 1)}\n`)
  fs.writeFileSync(path.join(folder, 'RESULTS.md'), writeReport(runs))
}

function order(run: Run): string {
  const trees = ['venv', 'gpu', 'generated']
  return `${trees.indexOf(run.tree.name)} ${run.arguments.link === undefined ? 0 : 1} ${runTitle(run)}`
}
