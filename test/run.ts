// `npm test`: runs the unit and end-to-end tests of every project afresh and ends with one line that sums them.
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { addResults, readResults, resultsFile, summaryLine } from './results.ts'
import type { Results } from './results.ts'

const root = path.dirname(import.meta.dirname)
const targets = ['test:unit', 'test:e2e']

fs.rmSync(path.join(root, '.cache', 'tests'), { recursive: true, force: true })
const run = spawnSync(
  'nx',
  [
    'run-many',
    '-t',
    ...targets,
    '--outputStyle=static',
    '--skip-nx-cache',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
)
const missing: string[] = []
const results = addResults(expectedTasks().map(([project, target]) => resultsOf(project, target)))

for (const { title, reason } of results.skipped) console.log(`skipped: ${title} (${reason})`)
for (const { title, message } of results.failures) console.log(`failed: ${title}: ${message}`)
for (const task of missing) console.log(`failed: ${task} ended without results`)
if (run.status !== 0 && results.failed === 0) {
  console.log(
    `failed: nx ended with ${run.error?.message ?? run.signal ?? `exit code ${run.status}`}`,
  )
  results.failed += 1
}
if (results.passed + results.failed === 0) console.log('failed: no test ran')
console.log(summaryLine(results))
process.exitCode = results.failed === 0 && results.passed > 0 ? 0 : 1

/** Every script of a workspace member that a target names. */
function expectedTasks(): [project: string, target: string][] {
  const folders = fs.readdirSync(path.join(root, 'packages')).map((name) => `packages/${name}`)
  return [...folders, 'test'].flatMap((folder) => {
    const text = fs.readFileSync(path.join(root, folder, 'package.json'), 'utf8')
    const { name, scripts } = JSON.parse(text) as { name: string; scripts?: object }
    return targets
      .filter((target) => Object.keys(scripts ?? {}).includes(target))
      .map((target): [string, string] => [name, target])
  })
}

function resultsOf(project: string, target: string): Results {
  const found = readResults(resultsFile(root, project, target))
  if (found !== undefined) return found
  missing.push(`${project} ${target}`)
  return { passed: 0, failed: 1, skipped: [], failures: [] }
}
