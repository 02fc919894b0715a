import { execFile, execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { root } from '../workspace.ts'

const run = promisify(execFile)
const cache = process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache')
const base = path.join(cache, 'berth-test/images/bookworm-1.tar')

/** kubectl-validate, with the schemas of Kubernetes in it. */
export const kubectlValidate = path.join(cache, 'berth-test/bin/kubectl-validate')

/** What the FROM lines of images/ name. */
const BASES = [
  'docker.io/library/debian:bookworm-slim',
  'docker.io/library/python:3.12-slim-bookworm',
  'docker.io/nvidia/cuda:12.8.1-runtime-ubuntu24.04',
]

/** Not crun: it needs a cgroup that the tests may not have. The limits are those of a machine that has few to give. */
const RUN = [
  '--runtime',
  'runc',
  'run',
  '--network=host',
  '--ulimit',
  'nofile=20000:20000',
  '--ulimit',
  'nproc=1000:1000',
]

/** True, or what is missing for containers here. */
export function containers(): true | string {
  if (process.getuid?.() !== 0) return 'containers without root are not tried'
  const missing = ['buildah', 'podman', 'runc'].find((name) => spawnSync(name, ['--version']).error)
  if (missing !== undefined) return `${missing} is not installed`
  return fs.existsSync(base) || 'test/containers/install.sh has not made the base'
}

export interface BuildRequest {
  tag: string
  dockerfile: string
  context: string
  args?: Record<string, string>
  target?: string
}

export interface ScriptSettings {
  folder: string
  env: NodeJS.ProcessEnv
}

export interface RunRequest {
  image: string
  command?: readonly string[]
  env?: Record<string, string>
  /** Path here → path there. */
  mounts?: Record<string, string>
  /** Further words for `podman run`. */
  options?: readonly string[]
}

/** Images and containers with a storage of their own, which is removed with all that is in it. */
export class Engine {
  readonly home = fs.mkdtempSync(path.join('/var/tmp', 'berth-containers-'))
  readonly #env: NodeJS.ProcessEnv
  #count = 0

  constructor() {
    const storage = path.join(this.home, 'storage.conf')
    fs.writeFileSync(
      storage,
      `[storage]\ndriver = "overlay"\ngraphroot = "${this.home}/images"\nrunroot = "${this.home}/run"\n`,
    )
    this.#env = { ...process.env, CONTAINERS_STORAGE_CONF: storage }
  }

  /** Imports the base, under every name that a Dockerfile here begins with. */
  importBases(): void {
    const [first = '', ...names] = BASES
    this.podman('import', '--quiet', base, first)
    for (const name of names) this.podman('tag', first, name)
  }

  /** Throws with the builder's words when it fails. */
  async build(request: BuildRequest): Promise<string> {
    const { tag, dockerfile, context, args = {}, target } = request
    const words = [
      'bud',
      '--isolation',
      'chroot',
      '--format',
      'docker',
      '--network',
      'host',
      '--tag',
      tag,
      ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
      ...(target === undefined ? [] : ['--target', target]),
      '--file',
      path.join(root, dockerfile),
      context,
    ]
    const { stdout, stderr } = await run('buildah', words, {
      env: this.#env,
      maxBuffer: 2 ** 26,
    })
    return stdout + stderr
  }

  /** Runs a shell's script in a folder; its `docker build` is a build here. */
  async script(shell: string, text: string, settings: ScriptSettings): Promise<string> {
    const bin = path.join(this.home, 'bin')
    fs.mkdirSync(bin, { recursive: true })
    const build = 'buildah bud --isolation chroot --format docker --network host'
    const docker = `#!/bin/sh\n[ "$1" = build ] || exit 64\nshift\nexec ${build} "$@"\n`
    fs.writeFileSync(path.join(bin, 'docker'), docker, { mode: 0o755 })
    const env = { ...this.#env, ...settings.env, PATH: `${bin}:${process.env['PATH']}` }
    const { stdout, stderr } = await run(shell, ['-e', '-c', text], {
      cwd: settings.folder,
      env,
      maxBuffer: 2 ** 26,
    })
    return stdout + stderr
  }

  /** Starts a container and answers at once. */
  start({ image, command = [], env = {}, mounts = {}, options = [] }: RunRequest): Container {
    const name = `berth-test-${process.pid}-${(this.#count += 1)}`
    const words = [
      ...RUN,
      '--detach',
      '--name',
      name,
      ...options,
      ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
      ...Object.entries(mounts).flatMap(([from, to]) => ['--volume', `${from}:${to}`]),
      image,
      ...command,
    ]
    this.podman(...words)
    return new Container(this, name)
  }

  podman(...words: string[]): string {
    return execFileSync('podman', words, { env: this.#env, encoding: 'utf8', stdio: 'pipe' }).trim()
  }

  /** As `podman`, without blocking, and without an error for a code that is not 0. */
  async ask(...words: string[]): Promise<{ code: number; text: string }> {
    return new Promise((resolve) => {
      execFile('podman', words, { env: this.#env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code ?? -1)
        resolve({ code, text: stdout + stderr })
      })
    })
  }

  /** As it would be pushed, with gzip unless it is told otherwise; answers the size of all that a machine pulls. */
  async pushedBytes(image: string, ...words: readonly string[]): Promise<number> {
    const folder = path.join(this.home, 'pushed')
    await run('buildah', ['push', '--quiet', ...words, image, `oci:${folder}`], { env: this.#env })
    const blobs = path.join(folder, 'blobs/sha256')
    const sizes = fs.readdirSync(blobs).map((name) => fs.statSync(path.join(blobs, name)).size)
    fs.rmSync(folder, { recursive: true })
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  /** The files of an image as it is saved (its layers, not compressed, and its history) that hold one of these texts. */
  filesWith(image: string, texts: readonly (string | undefined)[]): string[] {
    const folder = path.join(this.home, 'saved')
    this.podman('save', '--quiet', '--format', 'docker-dir', '--output', folder, image)
    const found = fs.readdirSync(folder).filter((name) => {
      const content = fs.readFileSync(path.join(folder, name))
      return texts.some((text) => text !== undefined && content.includes(text))
    })
    fs.rmSync(folder, { recursive: true })
    return found
  }

  close(): void {
    spawnSync('podman', ['rm', '--all', '--force', '--time', '0'], { env: this.#env })
    spawnSync('podman', ['rmi', '--all', '--force'], { env: this.#env })
    spawnSync('umount', [path.join(this.home, 'images/overlay')])
    fs.rmSync(this.home, { recursive: true, force: true })
  }
}

export class Container {
  readonly #engine: Engine
  readonly name: string

  constructor(engine: Engine, name: string) {
    this.#engine = engine
    this.name = name
  }

  async logs(): Promise<string> {
    return (await this.#engine.ask('logs', this.name)).text
  }

  async exec(...command: string[]): Promise<{ code: number; text: string }> {
    return this.#engine.ask('exec', this.name, ...command)
  }

  async signal(signal: string): Promise<void> {
    await this.#engine.ask('kill', '--signal', signal, this.name)
  }

  /** SIGTERM, and SIGKILL when the grace is over, as every runtime does. */
  async stop(graceSeconds: number): Promise<number> {
    await this.#engine.ask('stop', '--time', String(graceSeconds), this.name)
    return this.ended()
  }

  async ended(): Promise<number> {
    return Number((await this.#engine.ask('wait', this.name)).text)
  }

  /** Waits until its log has these words. Fails with the log when it ends without, or a minute is over. */
  async says(words: string): Promise<string> {
    for (const until = Date.now() + 60_000; ;) {
      const log = await this.logs()
      if (log.includes(words)) return log
      const state = await this.#engine.ask('inspect', '--format', '{{.State.Running}}', this.name)
      if (Date.now() > until || state.text.trim() !== 'true') {
        const last = await this.logs()
        if (last.includes(words)) return last
        throw new Error(`it did not say «${words}»:\n${last}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}
