// `npm run demo`: the life of three pods on one store, with real processes. `--json` prints the facts. Exit code 1 when a claim fails.
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { makeVenv } from './app.ts'
import { openClaims } from './claims.ts'
import { fillDisk } from './disk.ts'
import { firstPod, secondPod, thirdPod } from './pods.ts'
import type { Story } from './pods.ts'
import { printReport } from './report.ts'
import { seconds } from './timeline.ts'

const isJson = process.argv.includes('--json')
const startedAt = Date.now()
const say = (text: string): void =>
  void (isJson ? process.stderr : process.stdout).write(`${text}\n`)
const home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'berth-demo-')))

try {
  say(`Three pods, one store, in ${home}`)
  const story = await prepare()
  const pods = [await firstPod(story), await secondPod(story), await thirdPod(story)]
  const failed = printReport({
    pods,
    claims: story.claims.claims,
    app: story.app,
    totalMs: Date.now() - startedAt,
    isJson,
  })
  process.exitCode = failed === 0 ? 0 : 1
} finally {
  fs.rmSync(home, { recursive: true, force: true })
}

async function prepare(): Promise<Story> {
  const at = (name: string): string => path.join(home, name)
  for (const name of ['workspace', 'network-volume', 'pods']) fs.mkdirSync(at(name))
  say('Making a venv and custom nodes on the disk of pod 1 …')
  const began = Date.now()
  const app = makeVenv(at('workspace'))
  fillDisk(at('workspace'))
  say(`… made in ${seconds(Date.now() - began)}`)
  for (const lack of app.lacks) say(`  ${lack}`)
  return {
    app,
    disk: at('workspace'),
    volume: at('network-volume'),
    store: at('store'),
    processes: at('pods'),
    claims: openClaims(),
    say,
  }
}
