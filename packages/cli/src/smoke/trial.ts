import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Life } from '../report/life.ts'
import type { Ground } from './ground.ts'
import type { Scenario } from './scenario.ts'
import { endOrphans, startBerth, Watch, within } from './watch.ts'

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
  const set = ground.setArguments(scenario)
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

function recordOf(stateDirectory: string): string {
  try {
    return readFileSync(join(stateDirectory, 'events.jsonl'), 'utf8')
  } catch {
    return ''
  }
}
