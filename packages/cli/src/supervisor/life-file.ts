import { readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeptVariables } from './kept-variables.ts'

/** What another process must know to end a life whose supervisor was killed. Of the environment nothing that may be secret. */
export interface Life {
  version: 1
  /** The recipe's; absent where an older version wrote this, as `variables`. */
  name?: string
  /** Absolute. */
  recipe: string
  /** What it held when the pod booted. */
  text: string
  set: Record<string, string>
  variables?: KeptVariables
  /** Where the boot was called; absolute. */
  workingDirectory: string
  graceMs: number
  /** Of all that this life started, in `BERTH_BOOT`. */
  mark: string
  wasUsed: boolean
  /** Whose record tells of it; absent where an older version wrote this. */
  supervisor?: SupervisorId
  /** The pipelines' processes that may still be running. */
  pipelines: number[]
  main: { mark: string; stopSignal: NodeJS.Signals; process?: MainId } | undefined
}

/** Which process leads a life: with the time of its start a pid names one for good. */
export interface SupervisorId {
  pid: number
  startTime: string
}

/** Which process it is, where pids still mean what they meant. */
export interface MainId {
  pid: number
  startTime: string
  pidNamespace: string
}

/** The name of the pid namespace that we are in; empty where there is no /proc. */
export function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

function fileIn(stateDirectory: string): string {
  return join(stateDirectory, 'life.json')
}

/** Replaces what is known of the life: whole or not at all. */
export function writeLife(stateDirectory: string, life: Life): void {
  const file = fileIn(stateDirectory)
  const temporary = `${file}.${process.pid}.tmp`
  writeFileSync(temporary, `${JSON.stringify(life)}\n`, { mode: 0o600 })
  renameSync(temporary, file)
}

/** The life that has begun in a state directory and was not ended; `undefined` where there is none, or none that can be read. */
export function readLife(stateDirectory: string): Life | undefined {
  try {
    const life = JSON.parse(readFileSync(fileIn(stateDirectory), 'utf8')) as Life
    return life.version === 1 ? life : undefined
  } catch {
    return undefined
  }
}

/** Everything was put away: nobody has to end this life again. */
export function forgetLife(stateDirectory: string): void {
  rmSync(fileIn(stateDirectory), { force: true })
}
