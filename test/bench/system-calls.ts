import * as fs from 'node:fs'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import { measure } from './measure.ts'
import { berthCommand } from './peers/berth.ts'
import type { Bench } from './peers/peer.ts'
import type { Arguments } from './arguments.ts'
import type { Details } from './run.ts'
import { makeTarget } from './target.ts'
import { LONG_FILE_BYTES } from './trees/census.ts'

/**
 * Counts what a restore asks of the file system: every call that names a path of the target or a descriptor of a file there, directories
 * included. What Node does for itself is elsewhere and is not counted.
 */
export async function countSystemCalls(
  bench: Bench,
  { target }: Arguments,
): Promise<NonNullable<Details['systemCalls']>> {
  const log = path.join(bench.work, 'strace.log')
  const { folder, remove } = makeTarget({ kind: target, work: bench.work, ...bench.census })
  const options = ['-f', '--seccomp-bpf', '-y', '-s', '0', '-e', 'trace=%file,%desc', '-o', log]
  try {
    const restore = berthCommand(bench, 'restore', path.join(folder, 'tree'))
    await measure([[['strace', ...options, ...restore]]], { ...bench, folder: bench.work })
    const byName = await countCalls(log, folder)
    const calls = Object.values(byName).reduce((sum, count) => sum + count, 0)
    const smallFiles = [...bench.listing.values()].filter(
      ({ type, size }) => type === 'file' && size <= LONG_FILE_BYTES,
    ).length
    return { calls, smallFiles, byName }
  } finally {
    fs.rmSync(log, { force: true })
    remove()
  }
}

async function countCalls(log: string, folder: string): Promise<Record<string, number>> {
  const counts = new Map<string, number>()
  for await (const line of createInterface({ input: fs.createReadStream(log) })) {
    const name = callIn(line, folder)
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return Object.fromEntries([...counts].toSorted(([, a], [, b]) => b - a))
}

/** The call of a line of strace's, when it is one on the folder. The end of a call that another thread interrupted is not a second one. */
export function callIn(line: string, folder: string): string | undefined {
  const match = /^\d+\s+(\w+)\(/.exec(line)
  return match !== null && line.includes(`${folder}/`) ? match[1] : undefined
}
