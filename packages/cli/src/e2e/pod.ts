import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readStat } from '../supervisor/process-table.ts'

export const berth = fileURLToPath(new URL('../../bin/berth', import.meta.url))

/** Says whether a command is in PATH. */
export function hasCommand(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', name]).status === 0
}

export interface PodEnd {
  code: number | null
  signal: NodeJS.Signals | null
  durationMs: number
}

/** A directory with a recipe, in which `berth` runs as it would in a container. Steps tell what they did in `$LOG`. */
export class Pod {
  readonly directory: string
  readonly recipe: string
  readonly logFile: string

  constructor(recipe: string) {
    this.directory = mkdtempSync(join(tmpdir(), 'berth-pod-'))
    this.recipe = join(this.directory, 'recipe.yaml')
    this.logFile = join(this.directory, 'log')
    writeFileSync(this.recipe, recipe)
    writeFileSync(this.logFile, '')
  }

  /** What the steps and main have written, line by line. */
  get log(): string[] {
    return readFileSync(this.logFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
  }

  /** Makes a file beside the recipe. */
  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text)
  }

  /** Starts `berth boot` with the arguments after the recipe. */
  boot(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): RunningBerth {
    return this.berth(['boot', this.recipe, ...args], env)
  }

  berth(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    prefix: readonly string[] = [],
  ): RunningBerth {
    const [file = '', ...rest] = [...prefix, berth, ...args]
    const child = spawn(file, rest, {
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.environment(env),
    })
    return new RunningBerth(child)
  }

  /** Where its state lies, and what else a test gives. */
  environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    const state = join(this.directory, 'state')
    return { ...process.env, LOG: this.logFile, BERTH_STATE_DIR: state, ...env }
  }
}

export interface Finished {
  status: number | null
  stdout: string
  stderr: string
}

/** Runs `berth` in a pod to its end. */
export function runIn(pod: Pod, args: readonly string[], env: NodeJS.ProcessEnv = {}): Finished {
  const { status, stdout, stderr } = spawnSync(berth, args, {
    cwd: pod.directory,
    encoding: 'utf8',
    env: pod.environment(env),
  })
  return { status, stdout, stderr }
}

export class RunningBerth {
  readonly child: ChildProcess
  /** It is gone, and so is everything that could still print in its place. */
  readonly ended: Promise<PodEnd>
  /** It is gone; what it started may live on. */
  readonly exited: Promise<void>
  stdout = ''
  stderr = ''

  constructor(child: ChildProcess) {
    const startedAt = Date.now()
    this.child = child
    child.stdout?.on('data', (data: Buffer) => (this.stdout += data.toString()))
    child.stderr?.on('data', (data: Buffer) => (this.stderr += data.toString()))
    this.exited = new Promise((resolve) => child.once('exit', () => resolve()))
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) =>
        resolve({ code, signal, durationMs: Date.now() - startedAt }),
      )
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }
}

/** Sends a signal to the PID 1 of the namespace that `unshare` made, as a container's runtime does. */
export function signalPid1(run: RunningBerth, signal: NodeJS.Signals): void {
  const pid1 = readdirSync('/proc').find(
    (name) => /^\d+$/.test(name) && readStat(name)?.parent === run.pid,
  )
  process.kill(Number(pid1), signal)
}

/** Waits until something is true, and fails with what was there instead when it never is. */
export async function eventually<Value>(
  read: () => Value | undefined | false,
  describe: () => string = () => '',
  withinMs = 10_000,
): Promise<Value> {
  const until = Date.now() + withinMs
  for (;;) {
    const value = read()
    if (value !== undefined && value !== false) return value
    if (Date.now() > until)
      throw new Error(`it did not happen within ${withinMs} ms: ${describe()}`)
    await sleep(10)
  }
}
