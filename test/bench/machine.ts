import * as fs from 'node:fs'
import * as os from 'node:os'
import { listChunks } from './chunks.ts'
import type { Bench } from './peers/peer.ts'
import type { Run } from './run.ts'

export interface MachineFacts {
  processor: string
  cores: number
  memoryBytes: number
  kernel: string
  /** The kind of file system that the store and the images of file systems lay on. */
  work: string
  /** The average of the last minute when the bench began: a busy machine makes its numbers worthless. */
  load: number
}

export function readMachine(work: string): MachineFacts {
  return {
    processor: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    work: fileSystemOf(work),
    load: os.loadavg()[0] ?? 0,
  }
}

/** The kind of file system that a path lies on, such as `ext4`. */
function fileSystemOf(file: string): string {
  const mounts = fs
    .readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at = '']) => at === '/' || file === at || file.startsWith(`${at}/`))
    .toSorted(([, a = ''], [, b = '']) => b.length - a.length)
  return mounts[0]?.[2] ?? 'unknown'
}

/** The tree, as it is and as Berth stored it. */
export function describeTree({ census, server }: Bench, name: string): Run['tree'] {
  const sizes = listChunks(server).map(({ size }) => size)
  const storedBytes = sizes.reduce((sum, size) => sum + size, 0)
  return { name, census, storedBytes, chunks: sizes.length }
}
