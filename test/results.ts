import * as fs from 'node:fs'
import * as path from 'node:path'

/** What one vitest run of one project found; written by the reporter, summed by `npm test`. */
export interface Results {
  passed: number
  failed: number
  skipped: Skip[]
  failures: Failure[]
}

export interface Failure {
  title: string
  /** The first line of what went wrong. */
  message: string
}

export interface Skip {
  title: string
  /** `<lane>: why`, as given to vitest's `skip(note)`. */
  reason: string
}

/** Where the results of a task lie, below the workspace. nx.json names the same place as the output of `test:unit`. */
export function resultsFile(root: string, project: string, target: string): string {
  return path.join(root, '.cache', 'tests', project, `${target.replace('test:', '')}.json`)
}

/** Undefined when the run ended before it could report. */
export function readResults(file: string): Results | undefined {
  if (!fs.existsSync(file)) return undefined
  return JSON.parse(fs.readFileSync(file, 'utf8')) as Results
}

export function addResults(all: readonly Results[]): Results {
  return {
    passed: all.reduce((sum, one) => sum + one.passed, 0),
    failed: all.reduce((sum, one) => sum + one.failed, 0),
    skipped: all.flatMap((one) => one.skipped),
    failures: all.flatMap((one) => one.failures),
  }
}

/**
 * The skips that `BERTH_TEST_REQUIRE` forbids: those whose lane it names, every one for `all`, and as soon as it names anything, those
 * without a lane, because nobody can tell what they would have needed.
 */
export function forbiddenSkips(skips: readonly Skip[], required: string | undefined): Skip[] {
  const lanes = (required ?? '').split(/[\s,]+/).filter((lane) => lane !== '')
  if (lanes.length === 0) return []
  return skips.filter(({ reason }) => {
    const lane = /^([a-z0-9-]+): /.exec(reason)?.[1]
    return lane === undefined || lanes.includes('all') || lanes.includes(lane)
  })
}

/** The last line of `npm test`. */
export function summaryLine({ passed, failed, skipped }: Results): string {
  const counts = `${passed} passed, ${failed} failed`
  return skipped.length === 0 ? counts : `${counts}, ${skipped.length} skipped`
}
