import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BerthEvent } from '@berth/core'

const root = path.resolve(import.meta.dirname, '../..')
const BOOT_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000

export interface PodSettings {
  name: string
  /** The pod's own disk: `NETWORK_VOLUME`. */
  disk: string
  /** The volume that pods share: `_NETWORK_VOLUME`. */
  volume?: string
  store: string
  /** Where the pod's process keeps its state; as short-lived as the pod. */
  stateDirectory: string
  command: string[]
  /** The app writes its port here when it serves. */
  portFile: string
}

export interface StoppedPod {
  exitCode: number | null
  /** From SIGTERM to the end of the process. */
  stopMs: number
}

export interface RunningPod {
  events: BerthEvent[]
  port: number
  startedAt: number
  /** From the start of the process until main was started. */
  bootMs: number
  /** Sends SIGTERM, as the end of a pod does, and waits for the process to end by itself. */
  stop: () => Promise<StoppedPod>
}

/** Boots recipes/comfyui.yaml in a process of its own and resolves when the app answers. */
export async function startPod(pod: PodSettings): Promise<RunningPod> {
  const events: BerthEvent[] = []
  const startedAt = Date.now()
  const child = spawn(
    path.join(root, 'node_modules', '.bin', 'berth'),
    [
      'boot',
      'recipes/comfyui.yaml',
      '--json',
      '--state-dir',
      pod.stateDirectory,
      '--',
      ...pod.command,
    ],
    { cwd: root, env: environment(pod), stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const talk: string[] = []
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  createInterface({ input: child.stdout }).on('line', (line) => readLine(line, events, talk))
  createInterface({ input: child.stderr }).on('line', (line) => talk.push(line))
  try {
    const port = await waitForApp(pod, child)
    const main = events.find((event) => event.type === 'main:start')
    const bootMs = (main?.time ?? Date.now()) - startedAt
    return { events, port, startedAt, bootMs, stop: () => stopPod(child, ended) }
  } catch (error) {
    child.kill('SIGKILL')
    const errors = events.flatMap((event) => ('error' in event ? [event.error?.message] : []))
    throw new Error([`${pod.name} did not boot`, ...errors, ...talk].join('\n  '), { cause: error })
  }
}

function environment(pod: PodSettings): NodeJS.ProcessEnv {
  const { PATH, HOME, LANG } = process.env
  return {
    PATH,
    HOME,
    LANG,
    NETWORK_VOLUME: pod.disk,
    BERTH_STORE: `file://${pod.store}`,
    ...(pod.volume === undefined ? {} : { _NETWORK_VOLUME: pod.volume }),
  }
}

/** Main's own output shares the stream with the events. */
function readLine(line: string, events: BerthEvent[], talk: string[]): void {
  if (line.startsWith('{"')) events.push(JSON.parse(line) as BerthEvent)
  else talk.push(line)
}

async function waitForApp(pod: PodSettings, child: ChildProcess): Promise<number> {
  const deadline = Date.now() + BOOT_TIMEOUT_MS
  while (!fs.existsSync(pod.portFile)) {
    if (child.exitCode !== null) throw new Error(`the boot ended with exit code ${child.exitCode}`)
    if (Date.now() > deadline) throw new Error(`the app did not answer in ${BOOT_TIMEOUT_MS} ms`)
    await sleep(5)
  }
  return Number(fs.readFileSync(pod.portFile, 'utf8'))
}

async function stopPod(child: ChildProcess, ended: Promise<number | null>): Promise<StoppedPod> {
  const signalledAt = Date.now()
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  const exitCode = await ended
  clearTimeout(kill)
  return { exitCode, stopMs: Date.now() - signalledAt }
}
