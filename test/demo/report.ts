import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import type { App } from './app.ts'
import type { Claim } from './claims.ts'
import type { PodFacts } from './pods.ts'
import { seconds } from './timeline.ts'

interface Report {
  pods: PodFacts[]
  claims: Claim[]
  app: App
  totalMs: number
  isJson: boolean
}

/** Prints what was proven and what was not; returns how many claims do not hold. */
export function printReport({ pods, claims, app, totalMs, isJson }: Report): number {
  const failed = claims.filter(({ holds }) => !holds)
  if (isJson) {
    const facts = {
      holds: failed.length === 0,
      claims,
      lacks: app.lacks,
      versions: versions(),
      pods,
    }
    console.log(JSON.stringify({ ...facts, totalMs }, undefined, 2))
    return failed.length
  }
  console.log('\nWhat was proven')
  for (const { pod, claim, holds } of claims) console.log(`  ${holds ? '✔' : '✖'} ${pod}: ${claim}`)
  for (const { pod, claim, evidence } of failed) {
    console.log(`\n✖ ${pod}: ${claim}\n${JSON.stringify(evidence, undefined, 2)}`)
  }
  const times = pods.map(({ pod, bootMs, stopMs }) => {
    return `${pod} boot ${seconds(bootMs)}, stop ${seconds(stopMs)}`
  })
  console.log(`\n${times.join(' · ')}`)
  const verdict = failed.length === 0 ? 'all hold' : `${failed.length} do not hold`
  console.log(`${claims.length} claims, ${verdict}, ${seconds(totalMs)} in all`)
  return failed.length
}

function versions(): Record<string, string> {
  const manifest = path.resolve(import.meta.dirname, '../../packages/cli/package.json')
  const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8')) as { version: string }
  const [cpu] = os.cpus()
  return {
    berth: version,
    node: process.versions.node,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    cpu: `${os.cpus().length} × ${cpu?.model ?? 'unknown'}`,
  }
}
