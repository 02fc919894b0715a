// `npm run bench`: Berth, its peers and the floor in one run, interleaved. Writes RESULTS.md and results.json beside this file;
// `--quick` writes them into .cache/bench instead.
import { spawnSync } from 'node:child_process'
import * as path from 'node:path'
import { readArguments } from './arguments.ts'
import { measureBoots } from './boots.ts'
import { measureDetails } from './details.ts'
import { openBench } from './open-bench.ts'
import { floorParts } from './floor.ts'
import { interruption } from './interruption.ts'
import { describeTree, readMachine } from './machine.ts'
import { aws } from './peers/aws.ts'
import { berth } from './peers/berth.ts'
import { curlPipes } from './peers/curl-pipes.ts'
import { desync } from './peers/desync.ts'
import { rclone } from './peers/rclone.ts'
import { restic } from './peers/restic.ts'
import { singlePipe } from './peers/single-pipe.ts'
import { readVersions } from './programs.ts'
import { measureRestores } from './restores.ts'
import { keepRun } from './results-file.ts'
import type { Run } from './run.ts'
import { measureSaves } from './saves.ts'
import { usableTarget } from './target.ts'
import { writeReport } from './report.ts'

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interruption.abort())
const wanted = readArguments(process.argv.slice(2))
const folder = wanted.quick
  ? path.resolve(import.meta.dirname, '../../.cache/bench')
  : import.meta.dirname
if (!wanted.quick) {
  spawnSync(path.join(import.meta.dirname, 'install.sh'), { stdio: ['ignore', 2, 2] })
}
if (wanted.suite === 'link') {
  const { benchUploads } = await import('./uploads/bench-uploads.ts')
  await benchUploads(wanted, folder)
  process.exit()
}
if (wanted.suite === 'start') {
  const { benchStart } = await import('./start/bench-start.ts')
  await benchStart(wanted, folder)
  process.exit()
}
const { bench, close } = await openBench(wanted)
const asked = { ...wanted, target: usableTarget(wanted.target, bench.work) }
try {
  const { cores } = bench
  const peers = [
    berth,
    singlePipe,
    ...[cores, 2 * cores].map(curlPipes),
    restic,
    rclone,
    aws,
    desync,
    ...floorParts(cores),
  ]
  const machine = readMachine(bench.work)
  const restores = await measureRestores(bench, peers.filter(isWanted), asked)
  const tree = describeTree(bench, asked.tree)
  const saves = isWanted({ name: 'saves' }) ? await measureSaves(bench, asked) : undefined
  const boots = isWanted({ name: 'boots' }) ? [await measureBoots(bench, asked)] : []
  const details = isWanted({ name: 'details' }) ? await measureDetails(bench, asked) : undefined
  const run: Run = {
    date: new Date().toISOString().slice(0, 10),
    arguments: asked,
    machine,
    versions: readVersions(),
    cores,
    tree,
    restores,
    saves: [...(saves?.series ?? []), ...boots],
    details: { missing: [], ...details, ...saves?.details },
  }
  keepRun(folder, run)
  console.log(writeReport([run]))
} catch (error) {
  if (!interruption.signal.aborted) throw error
  process.exitCode = 130
} finally {
  await close()
}

/** Berth is the measure of all others, so it always takes part. */
function isWanted({ name }: { name: string }): boolean {
  const { only } = asked
  return (
    only.length === 0 ||
    name === 'berth' ||
    only.some((word) => name.split('-')[0] === word || name === word)
  )
}
