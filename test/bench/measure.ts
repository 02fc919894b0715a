import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { interruption } from './interruption.ts'
import { compileNative } from './native.ts'

/** Programs that are piped one into the next. */
export type Pipeline = readonly (readonly string[])[]

/** Pipelines that run beside each other. */
export type Command = readonly Pipeline[]

export interface Cost {
  wallSeconds: number
  /** User and system, with all children. */
  cpuSeconds: number
  /** The sum of what each program of the command held at its peak. */
  peakBytes: number
}

interface Surroundings {
  env: Record<string, string>
  /** For the report of `measure`. */
  folder: string
  /** The processors that the programs may use, such as `0,1`; all when empty. */
  processors: string
}

const LONGEST_MS = 30 * 60_000

/** Runs a command and answers what it cost. Its standard output is dropped. Throws an `Error` with its last words when it fails. */
export async function measure(command: Command, surroundings: Surroundings): Promise<Cost> {
  const { env, folder, processors } = surroundings
  const report = path.join(folder, 'cost.json')
  fs.rmSync(report, { force: true })
  const words = [compileNative('measure'), report, ...wordsOf(command)]
  const [first = '', ...rest] = processors === '' ? words : ['taskset', '-c', processors, ...words]
  const child = spawn(first, rest, {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: interruption.signal,
    killSignal: 'SIGKILL',
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)))
  const patience = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
  const status = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
  clearTimeout(patience)
  if (status !== 0) throw new Error(`${textOf(command)} ended with ${status}: ${said.trim()}`)
  return JSON.parse(fs.readFileSync(report, 'utf8')) as Cost
}

function wordsOf(command: Command): string[] {
  return command.flatMap((pipeline, beside) => [
    ...(beside > 0 ? ['&'] : []),
    ...pipeline.flatMap((program, at) => (at > 0 ? ['|', ...program] : program)),
  ])
}

/** As a shell would have it, shortened. */
function textOf(command: Command): string {
  return wordsOf(command).join(' ').slice(0, 300)
}
