import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import type { Cost } from './measure.ts'
import { ARCHIVE, storeUrl } from './peers/berth.ts'
import type { Bench } from './peers/peer.ts'

/** A process that saves a tree whenever it is asked to. */
export interface WarmProcess {
  save: () => Promise<Cost & { result: string }>
  close: () => Promise<void>
}

export function startWarmProcess(bench: Bench, directory: string, prefix: string): WarmProcess {
  const program = path.join(import.meta.dirname, 'save-warm.ts')
  const words = [program, directory, storeUrl(bench, prefix), ARCHIVE]
  const node = [process.execPath, ...words]
  const [first = '', ...rest] =
    bench.processors === '' ? node : ['taskset', '-c', bench.processors, ...node]
  const child = spawn(first, rest, {
    env: bench.env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    save: async () => {
      child.stdin.write('\n')
      const { value, done } = await answers.next()
      if (done === true) throw new Error('the warm process ended')
      return JSON.parse(value) as Cost & { result: string }
    },
    close: async () => {
      child.stdin.end()
      await ended
    },
  }
}
