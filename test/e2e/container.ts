import { spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { root } from '../workspace.ts'

/** True, or why this machine can't give a process a PID namespace of its own. */
export function namespaces(): true | string {
  const tried = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], {
    encoding: 'utf8',
  })
  if (tried.status === 0) return true
  return tried.error?.message ?? (tried.stderr.trim() || 'unshare is refused')
}

/** The directories of a pod and of what outlives it; all are removed when the test ends. */
export interface Place {
  disk: string
  store: string
  /** The app makes it when it serves. */
  ready: string
}

export function makePlace(): Place {
  const home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'berth-e2e-')))
  onTestFinished(() => fs.rmSync(home, { recursive: true, force: true }))
  const place = { disk: `${home}/disk`, store: `${home}/store`, ready: `${home}/ready` }
  fs.mkdirSync(place.disk)
  return place
}

/** Newest generation of each archive of recipes/comfyui.yaml in the store. */
export function generations(store: string): Record<string, number> {
  const folder = `${store}/snapshots/comfyui`
  if (!fs.existsSync(folder)) return {}
  const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const found: Record<string, number> = {}
  for (const file of files) {
    const [, archive = '', generation = ''] = /^(.*)\/@\/(\d+).*\.json\.zst$/.exec(file) ?? []
    if (archive !== '') found[archive] = Math.max(found[archive] ?? 0, Number(generation))
  }
  return found
}

export interface Life {
  code: number | null
  stderr: string
  /** From SIGTERM to the end; undefined when it ended by itself. */
  stopMs: number | undefined
}

/**
 * Lives one pod: `berth boot recipes/comfyui.yaml` as PID 1 of its own PID namespace with `script` as its app, SIGTERM as soon as the
 * app has made `$READY`, until its end.
 */
export async function live(place: Place, script: string, grace = '10s'): Promise<Life> {
  fs.rmSync(place.ready, { force: true })
  const state = fs.mkdtempSync(path.join(path.dirname(place.disk), 'state-'))
  const berth = [`${root}/packages/cli/bin/berth`, 'boot', 'recipes/comfyui.yaml']
  const own = ['--grace', grace, '--state-dir', state, '--', 'sh', '-c', script]
  const child = spawn(
    'unshare',
    ['--pid', '--fork', '--mount-proc', '--kill-child', ...berth, ...own],
    { cwd: root, env: environment(place), stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  onTestFinished(() => void child.kill('SIGKILL'))
  while (!fs.existsSync(place.ready) && child.exitCode === null) await sleep(10)
  const [first] = fs.existsSync(place.ready) ? childrenOf(child.pid) : []
  const signalledAt = Date.now()
  if (first !== undefined) process.kill(first, 'SIGTERM')
  const code = await ended
  return { code, stderr, stopMs: first === undefined ? undefined : Date.now() - signalledAt }
}

function environment(place: Place): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    NETWORK_VOLUME: place.disk,
    BERTH_STORE: `file://${place.store}`,
    READY: place.ready,
  }
}

function childrenOf(pid: number | undefined): number[] {
  const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}
