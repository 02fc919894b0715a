import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { RequestWatch } from '@berth/object-store/testing'

/** How a child ended that was to be killed. */
export interface Ended {
  /** Otherwise it got to its end before. */
  killed: boolean
  /** What it was doing. */
  point: string
  said: string
}

/** Runs a command until it ends by itself or is killed. */
export type Killer = (victim: Victim) => Promise<Ended>

export interface Victim {
  command: readonly string[]
  /** What is told of its requests. */
  watch: RequestWatch
  env: NodeJS.ProcessEnv
}

/** Numbers of points to be killed at: upwards, and from the start again, one further, once a child got to its end before. */
export class Points {
  readonly #step: number
  #start = 0
  #next = 0
  #pass = 0

  constructor(step = 1) {
    this.#step = step
  }

  take(): { at: number; pass: number } {
    const at = this.#next
    this.#next += this.#step
    return { at, pass: this.#pass }
  }

  /** There is no such point: there were fewer. */
  miss({ pass }: { pass: number }): void {
    if (pass !== this.#pass) return
    this.#pass += 1
    this.#start = (this.#start + 1) % this.#step
    this.#next = this.#start
  }
}

/** True, or why strace is missing. */
export function hasStrace(): true | string {
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return 'strace is not installed'
  }
}

interface Child {
  process: ChildProcess
  ended: Promise<{ signal: NodeJS.Signals | null; code: number | null; said: string }>
}

function start([file = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): Child {
  const child = spawn(file, args, {
    // strace counts by thread: with one for all file calls they can be enumerated.
    env: { PATH: process.env['PATH'], UV_THREADPOOL_SIZE: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk))
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk))
  const ended = new Promise<{ signal: NodeJS.Signals | null; code: number | null; said: string }>(
    (resolve) => child.once('close', (code, signal) => resolve({ code, signal, said })),
  )
  return { process: child, ended }
}

/** At a request: before the server gets it, or after the server has carried it out and before the child knows. */
export function atRequest(points: Points): Killer {
  return async ({ command, watch, env }) => {
    const taken = points.take()
    const at = 1 + (taken.at >> 1)
    const moment = taken.at % 2 === 0 ? 'arrived' : 'answered'
    let seen = 0
    let point = ''
    const child = start(command, env)
    watch[moment] = ({ method }) => {
      if (++seen !== at) return
      point = `${moment} ${method} ${at}`
      child.process.kill('SIGKILL')
    }
    const { signal, said } = await child.ended
    delete watch[moment]
    if (signal !== 'SIGKILL') points.miss(taken)
    return { killed: signal === 'SIGKILL', point, said }
  }
}

const STEP_CHILD = join(import.meta.dirname, 'kill-at-step-child.ts')

/** Just before a call that changes the disk, on any thread: a rename, a record, a line of a journal, a file. */
export function atStep(points: Points): Killer {
  return async ({ command: [node = '', ...args], env }) => {
    const taken = points.take()
    const { signal, said } = await start([node, '--import', STEP_CHILD, ...args], {
      ...env,
      KILL_AT_STEP: String(1 + taken.at),
    }).ended
    if (signal !== 'SIGKILL') points.miss(taken)
    const step = /killed at (.*)/.exec(said)?.[1] ?? ''
    return { killed: signal === 'SIGKILL', point: `${step} ${taken.at}`, said }
  }
}

const CHANGES =
  'rename,link,linkat,symlink,symlinkat,unlink,rmdir,mkdir,fsync,utimensat,ftruncate,fchmod'

/** At a system call that changes a directory, on any thread: the kernel kills the process as it enters the call. */
export function atCall(points: Points): Killer {
  return async ({ command, env }) => {
    const taken = points.take()
    const kill = `inject=${CHANGES}:signal=SIGKILL:when=${1 + taken.at}`
    const strace = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${CHANGES}`, '-e', kill]
    const { code, signal, said } = await start([...strace, ...command], env).ended
    const killed = signal === 'SIGKILL' || code === 137
    if (!killed) points.miss(taken)
    return { killed, point: `call ${taken.at}`, said }
  }
}

/** Nobody kills it. */
export const atNothing: Killer = async ({ command, env }) => {
  const { said } = await start(command, env).ended
  return { killed: false, point: '', said }
}
