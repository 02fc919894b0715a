import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BerthEvent } from '@berth/core'
import type { Life } from '../report/life.ts'
import { LifeTeller, newLife } from '../report/tell-life.ts'
import { killProcesses, processesMarked } from '../supervisor/process-table.ts'
import { smokeMark } from './ground.ts'
import type { Place } from './scenario.ts'

/** A process that ends with the pod may need a moment for it. */
const orphanPatienceMs = 500

/** Starts the same program as this one, in mounts of its own where the scenario has them. */
export function startBerth(
  args: string[],
  { mounts }: Place,
  env: NodeJS.ProcessEnv,
): ChildProcess {
  const own = [process.execPath, ...process.execArgv, ...process.argv.slice(1, 2), ...args]
  const words =
    mounts === undefined
      ? own
      : ['unshare', '--mount', 'sh', '-c', `${mounts} && exec "$@"`, 'sh', ...own]
  return spawn(words[0] ?? '', words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env })
}

/** Reads what a boot or a build prints. */
export class Watch {
  readonly up: Promise<void>
  readonly ended: Promise<void>
  readonly leaked = new Set<string>()
  stderr = ''
  stoppedAt: number | undefined
  #teller: LifeTeller
  #secrets: readonly (readonly [string, string])[]

  constructor(child: ChildProcess, recipe: string, secrets: Readonly<Record<string, string>>) {
    this.#teller = new LifeTeller(newLife(recipe, Date.now()))
    this.#secrets = Object.entries(secrets)
    const up = Promise.withResolvers<void>()
    this.up = up.promise
    let rest = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        this.look(line)
        this.#hear(line)
      }
      if (this.#isUp()) up.resolve()
    })
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      // Behind the last chunk: a secret may come in two.
      this.look(this.stderr.slice(-500) + chunk)
      this.stderr = (this.stderr + chunk).slice(-20_000)
    })
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.stderr += error.message
        resolve()
      })
      // What an orphan holds open must not hold us up.
      child.once('exit', () => setTimeout(resolve, 200))
      child.once('close', () => resolve())
    })
  }

  get life(): Life {
    return this.#teller.life
  }

  look(text: string): void {
    for (const [name, value] of this.#secrets) if (text.includes(value)) this.leaked.add(name)
  }

  #hear(line: string): void {
    try {
      this.#teller.hear(JSON.parse(line) as BerthEvent)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      // The app's own output.
    }
  }

  #isUp(): boolean {
    return this.life.main !== undefined || this.life.waitsSince !== undefined
  }
}

/** What a work comes to, or `undefined` where it takes longer. */
export async function within<Value>(ms: number, work: Promise<Value>): Promise<Value | undefined> {
  const timer = new AbortController()
  const late = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined)
  const value = await Promise.race([work, late])
  timer.abort()
  return value as Value | undefined
}

/** Kills what bears the mark of a trial that has ended, and answers the names. */
export async function endOrphans(mark: string): Promise<string[]> {
  const find = (): number[] => processesMarked(smokeMark, mark)
  const until = Date.now() + orphanPatienceMs
  while (find().length > 0 && Date.now() < until) await sleep(20)
  const names = find().map(nameOf)
  await killProcesses(find)
  return names
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 100)
  } catch {
    return String(pid)
  }
}
