import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Arguments } from './arguments.ts'
import { rethrowInterruption } from './interruption.ts'
import { measure } from './measure.ts'
import type { Bench, Peer } from './peers/peer.ts'
import { missingProgram } from './programs.ts'
import { sampleOf } from './sample.ts'
import type { Sample, Series } from './run.ts'
import { makeTarget, settle } from './target.ts'
import { compareTrees, listTree } from './trees/census.ts'

/**
 * Measures every peer in every round, one after another, each on a file system of its own: what disturbs the machine for a while then
 * disturbs all of them.
 */
export async function measureRestores(
  bench: Bench,
  peers: readonly Peer[],
  { rounds, target }: Arguments,
): Promise<Series[]> {
  const series = new Map<string, Series>()
  const able: Peer[] = []
  for (const peer of peers) {
    const { name, about } = peer
    const own: Series = { name, about, samples: [], lost: [] }
    series.set(name, own)
    own.missing = await prepare(bench, peer)
    if (own.missing === undefined) able.push(peer)
  }
  for (let round = 0; round < rounds; round += 1) {
    // Nobody is always the one after the slow one.
    const turned = able.map((_, index) => able[(index + round * 3) % able.length] as Peer)
    for (const peer of turned) {
      const own = series.get(peer.name)
      if (own === undefined || own.missing !== undefined || isEnough(own)) continue
      try {
        own.samples.push(await restoreOnce(bench, peer, { target, own }))
        say(`round ${round + 1} of ${rounds}: ${peer.name} ${text(own.samples.at(-1))}`)
      } catch (error) {
        rethrowInterruption(error)
        own.missing = (error as Error).message
        say(`${peer.name} fails: ${own.missing}`)
      }
    }
  }
  return [...series.values()]
}

/** What takes minutes need not be known to the second: two rounds of it, so that the bench ends within the hour. */
function isEnough({ samples }: Series): boolean {
  return samples.length >= 2 && samples.every(({ wallSeconds }) => wallSeconds > SLOW_SECONDS)
}

const SLOW_SECONDS = 60

async function prepare(bench: Bench, peer: Peer): Promise<string | undefined> {
  const missing = missingProgram(peer.program)
  if (missing !== undefined) return missing
  try {
    say(`preparing ${peer.name}`)
    await peer.prepare(bench)
    return undefined
  } catch (error) {
    rethrowInterruption(error)
    return (error as Error).message
  }
}

interface Turn {
  target: Arguments['target']
  own: Series
}

async function restoreOnce(bench: Bench, peer: Peer, { target, own }: Turn): Promise<Sample> {
  const place = { kind: target, work: bench.work, ...bench.census }
  const { folder, remove } = makeTarget(place)
  const scratch = fs.mkdtempSync(path.join(bench.work, 'scratch-'))
  try {
    const directory = path.join(folder, 'tree')
    const command = peer.restore(bench, { directory, scratch })
    settle()
    const traffic = bench.server.watch()
    const cost = await measure(command, { ...bench, folder: bench.work })
    const came = traffic()
    if (peer.isPart !== true && own.samples.length === 0)
      own.lost = compareTrees(bench.listing, listTree(directory))
    return sampleOf(cost, came)
  } finally {
    fs.rmSync(scratch, { recursive: true })
    remove()
  }
}

function text(sample: Sample | undefined): string {
  return `${sample?.wallSeconds.toFixed(2)} s, ${sample?.cpuSeconds.toFixed(2)} CPU-s`
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
