import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Arguments } from './arguments.ts'
import { rethrowInterruption } from './interruption.ts'
import { measure } from './measure.ts'
import { ARCHIVE, BERTH, BERTH_PREFIX, storeUrl } from './peers/berth.ts'
import type { Bench } from './peers/peer.ts'
import { say } from './restores.ts'
import type { Series } from './run.ts'
import { sampleOf } from './sample.ts'
import { makeTarget, settle } from './target.ts'

const RECIPE = path.resolve(import.meta.dirname, '../../recipes/comfyui.yaml')
const DIRECTORIES = ['venv', '.comfyui', '.cache', 'ComfyUI/custom_nodes']

/** Measures the boot of a pod with an empty disk beside a network volume that holds all its directories. */
export async function measureBoots(bench: Bench, { rounds, target }: Arguments): Promise<Series> {
  const about = 'berth run recipes/comfyui.yaml boot, four links to a network volume'
  const series: Series = { name: 'boot/links', about, samples: [], lost: [] }
  const { folder, remove } = makeTarget({ kind: target, work: bench.work, ...bench.census })
  const at = (name: string): string => path.join(folder, name)
  try {
    await fillVolume(bench, at('volume'))
    for (let round = 0; round < rounds; round += 1) {
      const pod = at(`pod-${round}`)
      fs.mkdirSync(pod)
      settle()
      const traffic = bench.server.watch()
      const cost = await measure(
        [[[BERTH, 'run', RECIPE, 'boot', '--state-dir', `${pod}-state`]]],
        {
          ...bench,
          env: { ...variables(bench), NETWORK_VOLUME: pod, _NETWORK_VOLUME: at('volume') },
          folder: bench.work,
        },
      )
      series.samples.push(sampleOf(cost, traffic()))
      series.lost = DIRECTORIES.filter((name) => !isLink(path.join(pod, name))).map(
        (name) => `${name} is no link`,
      )
      say(`boot ${round + 1} of ${rounds}: ${cost.wallSeconds.toFixed(2)} s`)
    }
  } catch (error) {
    rethrowInterruption(error)
    series.missing = (error as Error).message
    say(`boot fails: ${series.missing}`)
  } finally {
    remove()
  }
  return series
}

/** The tree as it was restored, and three small directories, saved and so known to the store. */
async function fillVolume(bench: Bench, volume: string): Promise<void> {
  for (const name of DIRECTORIES) {
    const directory = path.join(volume, name)
    const isTree = ARCHIVE === `comfyui/${name}`
    fs.mkdirSync(isTree ? volume : directory, { recursive: true })
    if (!isTree) fs.writeFileSync(path.join(directory, 'settings.json'), '{}\n')
    const options = ['--store', storeUrl(bench, BERTH_PREFIX), '--name', `comfyui/${name}`]
    const command = [BERTH, 'archive', isTree ? 'restore' : 'save', directory, ...options]
    await measure([[command]], { ...bench, folder: bench.work })
  }
}

function variables(bench: Bench): Record<string, string> {
  return { ...bench.env, BERTH_STORE: storeUrl(bench, BERTH_PREFIX) }
}

function isLink(file: string): boolean {
  return fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true
}
