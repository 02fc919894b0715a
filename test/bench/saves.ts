import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Arguments } from './arguments.ts'
import { addOnePackage, changeOneFile, packedBytes, type Change } from './changes.ts'
import { rethrowInterruption } from './interruption.ts'
import { measure, type Command } from './measure.ts'
import { berthCommand } from './peers/berth.ts'
import type { Bench } from './peers/peer.ts'
import { initRestic, resticBackup } from './peers/restic.ts'
import { pipeUp } from './peers/single-pipe.ts'
import { missingProgram } from './programs.ts'
import { say } from './restores.ts'
import type { Details, Series } from './run.ts'
import { sampleOf } from './sample.ts'
import { savedObjects } from './saved-objects.ts'
import type { Traffic } from './server.ts'
import { makeTarget, settle } from './target.ts'
import { startWarmProcess } from './warm-process.ts'

const SERIES = {
  'first/berth': 'berth archive save, into an empty store',
  'first/pipe': 'tar | zstd -3 -T0 | s5cmd pipe',
  'first/restic': 'restic backup, into an empty repository',
  'unchanged/berth': 'berth archive save of the restored tree, the whole command',
  'unchanged/berth-warm': 'the same in a process that saved before',
  'unchanged/restic': 'restic backup of the unchanged tree',
  'one-file/berth': 'berth archive save after one line more in a source file',
  'one-package/berth': 'berth archive save after pip install of one package',
}
type SeriesName = keyof typeof SERIES

export interface Saves {
  series: Series[]
  details: Pick<Details, 'oneFile' | 'onePackage'>
}

/** Measures saves, in rounds as well: each begins with an empty store and an empty file system. */
export async function measureSaves(bench: Bench, { rounds, target }: Arguments): Promise<Saves> {
  const names = Object.keys(SERIES) as SeriesName[]
  const series = new Map(
    names.map((name) => [name, { name, about: SERIES[name], samples: [], lost: [] } as Series]),
  )
  const details: Saves['details'] = {}
  // Read once, so that nobody is the one who reads it from the disk.
  await measure([[['tar', '-c', '-C', bench.tree, '.'], ['cat']]], { ...bench, folder: bench.work })
  for (let round = 0; round < rounds; round += 1) {
    const saving = { bench, series, details, prefix: `saves-${round}`, round }
    await firstSaves(saving)
    await laterSaves(saving, target).catch((error: Error) => {
      rethrowInterruption(error)
      for (const own of series.values())
        if (own.samples.length <= round) own.missing ??= error.message
    })
    fs.rmSync(path.join(bench.server.directory, saving.prefix), { recursive: true, force: true })
  }
  return { series: [...series.values()], details }
}

interface Saving {
  bench: Bench
  series: Map<SeriesName, Series>
  details: Saves['details']
  /** Of this round, in the store. */
  prefix: string
  round: number
}

async function firstSaves(saving: Saving): Promise<void> {
  const { bench, prefix } = saving
  const cache = path.join(bench.work, `${prefix}-restic`)
  // Berth's record beside the tree would make the save an incremental one.
  fs.rmSync(path.join(path.dirname(bench.tree), '.berth'), { recursive: true, force: true })
  await take(saving, 'first/berth', [[berthCommand(bench, 'save', bench.tree, prefix)]])
  if (isAble(saving, 'first/pipe', 's5cmd'))
    await take(saving, 'first/pipe', pipeUp(bench, `${prefix}/tree.tar.zst`))
  const hasRestic = isAble(saving, 'first/restic', 'restic')
  if (!isAble(saving, 'unchanged/restic', 'restic') || !hasRestic) return
  await initRestic(bench, `${prefix}/restic`)
  const backup = resticBackup(bench, `${prefix}/restic`, cache)
  await take(saving, 'first/restic', [[backup]])
  await take(saving, 'unchanged/restic', [[backup]])
  fs.rmSync(cache, { recursive: true })
}

/** On a tree that was restored, as every pod's was. */
async function laterSaves(saving: Saving, kind: Arguments['target']): Promise<void> {
  const { bench, prefix, details } = saving
  const { folder, remove } = makeTarget({ kind, work: bench.work, ...bench.census })
  try {
    const tree = path.join(folder, 'tree')
    const surroundings = { ...bench, folder: bench.work }
    await measure([[berthCommand(bench, 'restore', tree, prefix)]], surroundings)
    const save = [[berthCommand(bench, 'save', tree, prefix)]]
    await take(saving, 'unchanged/berth', save)
    await takeWarm(saving, tree)
    const after = async (name: SeriesName, change: Change) => {
      const files = change(tree, bench.listing)
      const traffic = await take(saving, name, save)
      if (traffic === undefined) return undefined
      return { ...savedObjects(bench.server, traffic), changedBytes: packedBytes(tree, files) }
    }
    const [oneFile, onePackage] = [
      await after('one-file/berth', changeOneFile),
      await after('one-package/berth', addOnePackage),
    ]
    if (oneFile !== undefined) details.oneFile = oneFile
    if (onePackage !== undefined) details.onePackage = onePackage
  } finally {
    remove()
  }
}

/** Undefined when the command failed; the table then says why. */
async function take(
  { bench, series, round }: Saving,
  name: SeriesName,
  command: Command,
): Promise<Traffic | undefined> {
  const own = series.get(name)
  settle()
  const watch = bench.server.watch()
  try {
    const cost = await measure(command, { ...bench, folder: bench.work })
    const traffic = watch()
    own?.samples.push(sampleOf(cost, traffic))
    say(`save round ${round + 1}: ${name} ${cost.wallSeconds.toFixed(2)} s`)
    return traffic
  } catch (error) {
    rethrowInterruption(error)
    if (own !== undefined) own.missing = (error as Error).message
    say(`${name} fails: ${own?.missing}`)
    return undefined
  }
}

async function takeWarm(saving: Saving, tree: string): Promise<void> {
  const { bench, series, prefix, round } = saving
  const warm = startWarmProcess(bench, tree, prefix)
  // The first two load and compile what the third one finds ready.
  for (const _ of [1, 2]) await warm.save()
  const watch = bench.server.watch()
  const cost = await warm.save()
  const traffic = watch()
  await warm.close()
  series.get('unchanged/berth-warm')?.samples.push(sampleOf(cost, traffic))
  say(`save round ${round + 1}: unchanged/berth-warm ${cost.wallSeconds.toFixed(2)} s`)
}

function isAble({ series }: Saving, name: SeriesName, program: string): boolean {
  const own = series.get(name)
  const missing = missingProgram(program)
  if (own !== undefined && missing !== undefined) own.missing = missing
  return missing === undefined
}
