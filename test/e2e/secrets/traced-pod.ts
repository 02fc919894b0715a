import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { root } from '../../workspace.ts'

const WAIT_MS = 60_000

/** Environments are left out: those of children are where secrets belong. */
const STRACE = '-f --seccomp-bpf -qq -s 100000 -e trace=execve,execveat -e signal=none'.split(' ')

export const berth = path.join(root, 'packages/cli/bin/berth')

/** True, or why no process can be traced here. */
export function tracing(): true | string {
  const tried = spawnSync('strace', [...STRACE, '-o', '/dev/null', 'true'], { encoding: 'utf8' })
  if (tried.status === 0) return true
  return tried.error === undefined ? tried.stderr.trim() : 'strace is not installed'
}

export interface PodSettings {
  recipe: string
  reporter: 'line' | 'json' | 'pretty'
  /** The whole of it. */
  env: Record<string, string>
  /** What main does, for a shell; it makes `$READY` when it serves. */
  main: string
  /** Where the trace and the state lie; made. */
  directory: string
  /** SIGTERM is sent when this is true as well. */
  until?: () => boolean
}

export interface PodEnd {
  code: number | null
  stdout: string
  stderr: string
  /** The arguments of every program that was started, one call a line. */
  calls: string
}

/** `berth boot` from its start to SIGTERM and its end, with each of its `execve` traced; `pretty` has a terminal. */
export async function livePod(settings: PodSettings): Promise<PodEnd> {
  const { recipe, reporter, directory, main } = settings
  fs.mkdirSync(directory, { recursive: true })
  const trace = path.join(directory, 'trace')
  const state = path.join(directory, 'state')
  const ready = path.join(directory, 'ready')
  const boot = [berth, 'boot', recipe, '--reporter', reporter, '--', 'sh', '-c', main]
  // `script` has a shell run it, and that shell knows the words by their names only.
  const terminal = ['script', '-qec', boot.map(quote).join(' '), '/dev/null']
  const child = spawn(
    'strace',
    [...STRACE, '-o', trace, ...(reporter === 'pretty' ? terminal : boot)],
    {
      cwd: directory,
      env: { ...settings.env, BERTH_STATE_DIR: state, READY: ready },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const said = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const isReady = (): boolean => fs.existsSync(ready) && (settings.until?.() ?? true)
  await waitFor(child, isReady, () => `${said.stdout}${said.stderr}`)
  // The supervisor itself, below strace, the terminal and the shell.
  if (child.exitCode === null) process.kill(supervisorOf(state), 'SIGTERM')
  const code = await ended
  return { code, ...said, calls: fs.readFileSync(trace, 'utf8') }
}

function supervisorOf(state: string): number {
  return (JSON.parse(fs.readFileSync(path.join(state, 'boot.pid'), 'utf8')) as { pid: number }).pid
}

async function waitFor(
  child: ChildProcess,
  isTrue: () => boolean,
  describe: () => string,
): Promise<void> {
  const until = Date.now() + WAIT_MS
  while (!isTrue() && child.exitCode === null) {
    if (Date.now() > until) throw new Error(`main did not come in ${WAIT_MS} ms: ${describe()}`)
    await sleep(20)
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
