import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'
import { forbiddenSkips, resultsFile } from './results.ts'
import type { Failure, Results } from './results.ts'

/** Writes what a run found for `npm test` to sum, and fails the run when a test was skipped that `BERTH_TEST_REQUIRE` requires. */
export class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const results: Results = {
      passed: 0,
      failed: errors.length,
      skipped: [],
      failures: errors.map((error) => describeFailure('outside of any test', [error])),
    }
    if (modules.length === 0) results.failed += 1
    for (const module of modules) countModule(module, results)
    const forbidden = forbiddenSkips(results.skipped, process.env['BERTH_TEST_REQUIRE'])
    for (const skip of forbidden) {
      console.error(`required, but skipped: ${skip.title} (${skip.reason})`)
    }
    results.skipped = results.skipped.filter((skip) => !forbidden.includes(skip))
    results.failed += forbidden.length
    if (forbidden.length > 0) process.exitCode = 1
    writeResults(results)
  }
}

function countModule(module: TestModule, results: Results): void {
  let failedTests = 0
  for (const test of module.children.allTests()) {
    const result = test.result()
    if (result.state === 'passed') results.passed += 1
    else if (result.state === 'skipped') {
      results.skipped.push({ title: test.fullName, reason: result.note ?? 'no reason given' })
    } else {
      failedTests += 1
      results.failures.push(describeFailure(test.fullName, result.errors ?? []))
    }
  }
  // A file that fails outside its tests (an import, a hook of the file) has no failed test of its own.
  const isBroken = failedTests === 0 && module.state() === 'failed'
  if (isBroken) results.failures.push(describeFailure(module.moduleId, module.errors()))
  results.failed += isBroken ? 1 : failedTests
}

function describeFailure(title: string, errors: readonly SerializedError[]): Failure {
  const [first] = errors
  return { title, message: first?.message.split('\n')[0] ?? 'no reason given' }
}

/** Only nx says which project and target this is; a run by hand has nobody to report to. */
function writeResults(results: Results): void {
  const project = process.env['NX_TASK_TARGET_PROJECT']
  const target = process.env['NX_TASK_TARGET_TARGET']
  if (project === undefined || target === undefined) return
  const file = resultsFile(path.dirname(import.meta.dirname), project, target)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, JSON.stringify(results))
}
