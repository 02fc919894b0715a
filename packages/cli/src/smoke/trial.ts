import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BerthEvent } from '@berth/core'
import type { Life } from '../report/life.ts'
import { LifeTeller, newLife } from '../report/tell-life.ts'
import { killProcesses, processesMarked } from '../supervisor/process-table.ts'
import type { Ground } from './ground.ts'
import { smokeMark } from './ground.ts'
import type { Scenario } from './scenario.ts'

/** A process that ends with the pod may need a moment for it. */
const orphanPatienceMs = 500

/** How a life went. */
export interface TrialEnd {
  life: Life
  exitCode: number | null
  /** From the first SIGTERM to the end; absent where it ended before. */
  shutdownMs?: number
  /** The names of processes that were left behind; they have been killed. */
  orphans: string[]
  /** Names of secrets whose value was printed, or recorded. */
  leaked: string[]
  /** It was not up, or not gone, in time, and was killed. */
  late?: 'boot' | 'shutdown'
  /** What it said beside its events. */
  stderr: string
}

export interface TrialOptions {
  recipe: string
  scenario: Scenario
  ground: Ground
  /** In the place of the app. */
  command: readonly string[]
  /** How long the boot may take. */
  bootMs: number
  signal: AbortSignal
  /** Called when main runs. */
  up: (life: Life) => void
}

/** Lives a pod's life: boots, lets main run for a moment, sends SIGTERM, and looks at what is left. */
export async function tryLife(options: TrialOptions): Promise<TrialEnd> {
  const { recipe, scenario, ground, command } = options
  const set = Object.entries(ground.set(scenario)).flatMap(([name, value]) => [
    '--set',
    `${name}=${value}`,
  ])
  const args = ['boot', recipe, ...set, '--grace', scenario.grace, '--json', '--', ...command]
  const child = startBerth(args, scenario, ground.env(scenario))
  const watch = new Watch(child, recipe, ground.secrets)
  const kill = (): boolean => child.kill('SIGKILL')
  options.signal.addEventListener('abort', kill, { once: true })
  const late = await live(child, watch, options)
  const shutdownMs =
    watch.stoppedAt === undefined ? {} : { shutdownMs: Date.now() - watch.stoppedAt }
  options.signal.removeEventListener('abort', kill)
  const orphans = await endOrphans(ground.mark)
  watch.look(recordOf(ground.state))
  return {
    life: watch.life,
    exitCode: child.exitCode,
    ...shutdownMs,
    orphans,
    leaked: [...watch.leaked],
    ...(late === undefined ? {} : { late }),
    stderr: watch.stderr,
  }
}

async function live(
  child: ChildProcess,
  watch: Watch,
  { scenario, bootMs, up }: TrialOptions,
): Promise<TrialEnd['late']> {
  const isUp = await within(
    bootMs,
    Promise.race([watch.up.then(() => true), watch.ended.then(() => false)]),
  )
  if (isUp === undefined) {
    child.kill('SIGKILL')
    await watch.ended
    return 'boot'
  }
  if (!isUp) return undefined
  up(watch.life)
  watch.stoppedAt = Date.now()
  child.kill('SIGTERM')
  if (scenario.secondTermMs !== undefined) {
    await within(scenario.secondTermMs, watch.ended)
    child.kill('SIGTERM')
  }
  // Longer than the grace, to see how long it would have taken.
  if (
    (await within(
      2 * scenario.graceMs,
      watch.ended.then(() => true),
    )) === true
  )
    return undefined
  child.kill('SIGKILL')
  await watch.ended
  return 'shutdown'
}

/** The same program as this one, in mounts of its own where the scenario has them. */
function startBerth(args: string[], { mounts }: Scenario, env: NodeJS.ProcessEnv): ChildProcess {
  const own = [process.execPath, ...process.execArgv, ...process.argv.slice(1, 2), ...args]
  const words =
    mounts === undefined
      ? own
      : ['unshare', '--mount', 'sh', '-c', `${mounts} && exec "$@"`, 'sh', ...own]
  return spawn(words[0] ?? '', words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env })
}

/** Reads what a boot prints. */
class Watch {
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

async function within<Value>(ms: number, work: Promise<Value>): Promise<Value | undefined> {
  const timer = new AbortController()
  const late = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined)
  const value = await Promise.race([work, late])
  timer.abort()
  return value as Value | undefined
}

async function endOrphans(mark: string): Promise<string[]> {
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

function recordOf(stateDirectory: string): string {
  try {
    return readFileSync(join(stateDirectory, 'events.jsonl'), 'utf8')
  } catch {
    return ''
  }
}
