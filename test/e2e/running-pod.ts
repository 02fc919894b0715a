import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { root } from '../workspace.ts'

export const DIRECTORIES = ['venv', '.comfyui', '.cache', 'ComfyUI/custom_nodes']
/** What test/e2e/app.py ends with at SIGTERM. */
export const APP_EXIT_CODE = 7

const WAIT_MS = 60_000

/** The directories of a pod and of what outlives it; all are removed when the test ends. */
export class Home {
  readonly path: string
  /** `NETWORK_VOLUME`. */
  disk: string
  /** `BERTH_STORE` as a directory. */
  readonly store: string
  readonly portFile: string

  constructor(parent: string = os.tmpdir()) {
    this.path = fs.realpathSync(fs.mkdtempSync(path.join(parent, 'berth-e2e-')))
    onTestFinished(() => fs.rmSync(this.path, { recursive: true, force: true }))
    this.disk = path.join(this.path, 'disk')
    this.store = path.join(this.path, 'store')
    this.portFile = path.join(this.path, 'port')
    fs.mkdirSync(this.disk)
  }

  /** As the end of a pod does. */
  wipe(): void {
    fs.rmSync(this.disk, { recursive: true })
    fs.mkdirSync(this.disk)
  }

  /** The pod's disk is another place from now on, and empty. */
  moveTo(disk: string): void {
    this.disk = disk
    fs.mkdirSync(disk, { recursive: true })
  }

  at(name: string): string {
    return path.join(this.disk, name)
  }

  /** A Python web server that runs in the pod's venv. */
  app(...flags: string[]): string[] {
    const program = path.join(import.meta.dirname, 'app.py')
    return [this.at('venv/bin/python'), program, this.disk, this.portFile, ...flags]
  }
}

/** A venv from which test/e2e/app.py can import, and something in each of the other directories. */
export function fillDisk(home: Home, value = 'first'): void {
  makeVenv(home.at('venv'), value)
  for (const name of DIRECTORIES.slice(1)) {
    fs.mkdirSync(home.at(`${name}/deep/empty`), { recursive: true })
    for (let index = 0; index < 20; index += 1) {
      fs.writeFileSync(home.at(`${name}/deep/file-${index}`), `${name} ${index}\n`)
    }
    fs.symlinkSync('deep/file-7', home.at(`${name}/link`))
  }
}

function makeVenv(venv: string, value: string): void {
  execFileSync('python3', ['-m', 'venv', '--without-pip', venv])
  const [version = ''] = fs.readdirSync(path.join(venv, 'lib'))
  const module = path.join(venv, 'lib', version, 'site-packages/from_the_venv.py')
  fs.writeFileSync(module, `VALUE = ${JSON.stringify(value)}\n`)
}

export interface PodSettings {
  home: Home
  command: string[]
  /** The recipe's file, else recipes/comfyui.yaml. */
  recipe?: string
  grace?: string
  /** `_NETWORK_VOLUME` and whatever else it needs. */
  env?: NodeJS.ProcessEnv
  /** As PID 1 of a PID namespace of its own. */
  isContainer?: boolean
  /** The command, else the checkout's. */
  program?: string
}

export interface PodEnd {
  code: number | null
  /** From the first signal to the end. */
  stopMs: number
}

/** `berth boot` in a process of its own, from its start to its end. */
export class RunningPod {
  readonly ended: Promise<PodEnd>
  /** All that it printed. */
  output = ''
  /** From the start of the command to that of main. */
  bootMs = NaN
  #child: ChildProcess
  #home: Home
  #isContainer: boolean
  #signalledAt = NaN

  constructor(settings: PodSettings) {
    const { home, isContainer = false } = settings
    this.#home = home
    this.#isContainer = isContainer
    fs.rmSync(home.portFile, { force: true })
    const [file = '', ...args] = commandLine(settings)
    const startedAt = performance.now()
    this.#child = spawn(file, args, {
      cwd: root,
      env: environment(settings),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
      if (Number.isNaN(this.bootMs) && / ● running /.test(this.output)) {
        this.bootMs = performance.now() - startedAt
      }
    })
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code) =>
        resolve({ code, stopMs: Math.round(performance.now() - this.#signalledAt) }),
      )
    })
    onTestFinished(() => this.kill())
  }

  /** As a machine that is switched off: at once, and in a container all that runs there with it. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  /** To PID 1, as a container's runtime sends it. */
  signal(name: NodeJS.Signals): void {
    if (Number.isNaN(this.#signalledAt)) this.#signalledAt = performance.now()
    const { pid = 0 } = this.#child
    process.kill(this.#isContainer ? onlyChildOf(pid) : pid, name)
  }

  async stop(): Promise<PodEnd> {
    this.signal('SIGTERM')
    return this.ended
  }

  /** Waits until something is so while the pod lives; throws with what it printed otherwise. */
  async until(isSo: () => boolean): Promise<void> {
    const limit = Date.now() + WAIT_MS
    while (!isSo()) {
      if (this.#child.exitCode !== null || Date.now() > limit) {
        throw new Error(`it did not come to that:\n${this.output}`)
      }
      await sleep(2)
    }
  }

  async says(text: string): Promise<void> {
    await this.until(() => this.output.includes(text))
  }

  /** Asks the app, as soon as it serves. */
  async ask(url: string, put?: string): Promise<string> {
    await this.until(() => fs.existsSync(this.#home.portFile))
    const port = fs.readFileSync(this.#home.portFile, 'utf8')
    const request = put === undefined ? {} : { method: 'PUT', body: put }
    const response = await fetch(`http://127.0.0.1:${port}${url}`, request)
    return response.text()
  }
}

function commandLine(settings: PodSettings): string[] {
  const { home, command, recipe, grace, isContainer } = settings
  const state = fs.mkdtempSync(path.join(home.path, 'state-'))
  return [
    ...(isContainer ? ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] : []),
    settings.program ?? `${root}/packages/cli/bin/berth`,
    'boot',
    recipe ?? 'recipes/comfyui.yaml',
    ...(grace === undefined ? [] : ['--grace', grace]),
    '--state-dir',
    state,
    '--',
    ...command,
  ]
}

/** Nothing of this machine's that could tell Berth of another platform. */
function environment({ home, env }: PodSettings): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    PYTHONDONTWRITEBYTECODE: '1',
    NETWORK_VOLUME: home.disk,
    BERTH_STORE: `file://${home.store}`,
    ...env,
  }
}

function onlyChildOf(pid: number): number {
  return Number(fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim())
}
