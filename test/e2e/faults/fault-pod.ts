import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ObjectStore } from '@berth/object-store'
import { findPlaces, type LinkStatus, readStatuses } from '@berth/s3-link/links'
import { root as checkout } from '../../workspace.ts'
import type { WriterOrders } from './closing-writer.ts'
import { findFiles, type FoundFiles, readWriterLog } from './find-files.ts'

export type Driver = 's3fs' | 'rclone' | 'watch'

export interface FaultPodSettings {
  name: string
  driver: Driver
  /** For its files: the workspace, what is mounted and what is not sent. */
  folder: string
  endpoint: string
  bucket: string
  keys: Record<string, string>
  /** Straight to the server. */
  store: ObjectStore
  options?: string[]
  /** Where what is mounted and what is not sent lies, instead of in the pod's folder. */
  cacheFolder?: string
  /** One that another pod has too, instead of in the pod's folder. */
  workspace?: string
  /** A command that runs Berth. */
  within?: string[]
}

export interface BerthEnd {
  code: number | null
  output: string
}

export interface BootedPod {
  ended: Promise<BerthEnd>
  /** As a platform does. */
  stop: () => void
}

interface Writer {
  log: string
  end: (signal: NodeJS.Signals) => void
  ended: Promise<unknown>
}

const program = path.join(checkout, 'packages', 'cli', 'bin', 'berth')

/** A pod whose output folder is linked, with apps that write into it; nothing in it blocks this process. */
export class FaultPod {
  readonly driver: Driver
  readonly workspace: string
  readonly linkFolder: string
  readonly output: string
  readonly #settings: FaultPodSettings
  readonly #writers: Writer[] = []
  keys: Record<string, string>

  constructor(settings: FaultPodSettings) {
    this.#settings = settings
    this.driver = settings.driver
    this.keys = settings.keys
    this.workspace = settings.workspace ?? path.join(settings.folder, 'workspace')
    this.linkFolder = path.join(settings.cacheFolder ?? settings.folder, 'link')
    this.output = path.join(this.workspace, 'output')
    for (const folder of [this.workspace, this.linkFolder])
      fs.mkdirSync(folder, { recursive: true })
  }

  get env(): Record<string, string> {
    return {
      ...this.keys,
      PATH: process.env['PATH'] ?? '',
      HOME: this.#settings.folder,
      BERTH_LINK_DIR: this.linkFolder,
      BERTH_STORE: this.url,
    }
  }

  /** A part of the bucket for each pod. */
  get url(): string {
    const { bucket, name, endpoint } = this.#settings
    return `s3://${bucket}/${name}?endpoint=${endpoint}`
  }

  async link(): Promise<void> {
    const options = (this.#settings.options ?? []).flatMap((option) => ['--option', option])
    const args = ['link', this.workspace, '--store', this.url, '--driver', this.driver, ...options]
    const { code, output } = await this.berth(args)
    if (code !== 0) throw new Error(`${this.#settings.name}: ${output}`)
  }

  unlink(within: string): Promise<BerthEnd> {
    return this.berth(['unlink', this.workspace, '--within', within])
  }

  berth(args: readonly string[]): Promise<BerthEnd> {
    const [first = program, ...rest] = [...(this.#settings.within ?? []), program, ...args]
    return endOf(spawn(first, rest, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] }))
  }

  /** Starts an app; its log is one of the pod's. */
  write(orders: Partial<WriterOrders> & { name: string }): void {
    const { command, log } = this.#writer(orders)
    const [program = '', ...args] = command
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    this.#writers.push({ log, end: (signal) => void child.kill(signal), ended })
  }

  /** Boots a recipe that links the folder, with such an app, and eight seconds for its end. */
  boot(orders: Partial<WriterOrders> & { name: string }): BootedPod {
    const recipe = path.join(this.#settings.folder, 'recipe.yaml')
    fs.writeFileSync(recipe, recipeOf(this.workspace, this.driver, this.#settings.options ?? []))
    const { command, log } = this.#writer({ ...orders, lingers: true })
    const state = path.join(this.#settings.folder, `state-${orders.name}`)
    const args = ['boot', recipe, '--grace', '8s', '--state-dir', state, '--', ...command]
    const child = spawn(program, args, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
    const ended = endOf(child)
    this.#writers.push({ log, end: (signal) => void child.kill(signal), ended })
    return { ended, stop: () => void child.kill('SIGTERM') }
  }

  #writer(orders: Partial<WriterOrders> & { name: string }): { command: string[]; log: string } {
    const log = path.join(this.#settings.folder, `${orders.name}.log`)
    const whole = { folder: this.output, log, paceMs: 20, bytes: 50_000, files: 100_000, ...orders }
    const writer = fileURLToPath(new URL('./closing-writer.ts', import.meta.url))
    return { command: [process.execPath, writer, JSON.stringify(whole)], log }
  }

  /** What an app, or all of them, have logged. */
  log(name?: string): ReturnType<typeof readWriterLog> {
    const logs = this.#writers
      .filter(({ log }) => name === undefined || log.endsWith(`/${name}.log`))
      .map(({ log }) => readWriterLog(log))
    return {
      written: logs.flatMap(({ written }) => written),
      failed: logs.flatMap(({ failed }) => failed),
      failedNames: logs.flatMap(({ failedNames }) => failedNames),
      progress: Math.max(0, ...logs.map(({ progress }) => progress)),
      isOver: logs.every(({ isOver }) => isOver),
    }
  }

  /** Ends the apps, each after the file that it is at. */
  async endWriters(): Promise<void> {
    for (const { end } of this.#writers) end('SIGTERM')
    await Promise.all(this.#writers.map(({ ended }) => ended))
  }

  async status(): Promise<LinkStatus | undefined> {
    const all = await readStatuses(findPlaces({ BERTH_LINK_DIR: this.linkFolder }))
    // One that was left may still be ending.
    return all.find(({ links }) => links.length > 0) ?? all[0]
  }

  /** Waits until its status is so. */
  async becomes(holds: (status: LinkStatus) => boolean, withinMs: number): Promise<LinkStatus> {
    const end = performance.now() + withinMs
    for (;;) {
      const status = await this.status()
      if (status !== undefined && holds(status)) return status
      if (performance.now() > end) {
        throw new Error(
          `${this.#settings.name}: not ${holds.toString()}: ${JSON.stringify(status)}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** Of all mounts that there are records of. */
  processes(): { keeper: number; daemon: number; mountPoint: string }[] {
    const run = path.join(this.linkFolder, 'run')
    const names = fs.existsSync(run) ? fs.readdirSync(run) : []
    return names.flatMap((name) => {
      const file = path.join(run, name, 'mount.json')
      if (!fs.existsSync(file)) return []
      const { keeper, daemon, mountPoint } = JSON.parse(fs.readFileSync(file, 'utf8'))
      return [{ keeper: keeper.pid, daemon: daemon?.pid ?? 0, mountPoint }]
    })
  }

  signalDaemon(signal: NodeJS.Signals): void {
    for (const { daemon } of this.processes()) process.kill(daemon, signal)
  }

  /** As at the end of a container: all of its processes at once, and its mounts. */
  die(): void {
    for (const { keeper, daemon, mountPoint } of this.processes()) {
      for (const pid of [keeper, daemon]) kill(pid)
      spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    }
  }

  /** The container's own disk is gone with it; the workspace is a volume, and stays. */
  loseDisk(): void {
    fs.rmSync(this.linkFolder, { recursive: true, force: true })
    fs.mkdirSync(this.linkFolder, { recursive: true })
  }

  /** Where everything is that its apps have closed. */
  find(written = this.log().written): Promise<FoundFiles> {
    const { store, name } = this.#settings
    const folders = {
      folder: this.output,
      'beside the folder': path.join(this.workspace, '.berth'),
      cache: path.join(this.linkFolder, 'cache'),
    }
    const prefix = `${name}/output/`
    return findFiles(written, { store, prefix, folders })
  }

  /** Whatever became of it: nothing of it is left to hang. */
  async end(): Promise<void> {
    for (const { end } of this.#writers) end('SIGKILL')
    this.die()
    await Promise.all(this.#writers.map(({ ended }) => ended))
  }
}

function recipeOf(workspace: string, driver: Driver, options: readonly string[]): string {
  const map = options.map((option) => `"${option.replace('=', '": "')}"`).join(', ')
  return `name: fault
boot:
  - uses: s3-link/link
    with: { workspace: ${workspace}, driver: ${driver}, options: { ${map} } }
shutdown:
  - uses: s3-link/unmount
    with: { workspace: ${workspace} }
`
}

function kill(pid: number): void {
  try {
    if (pid > 0) process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

function endOf(child: ChildProcess): Promise<BerthEnd> {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (bytes: Buffer) => (output += bytes.toString()))
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
}
