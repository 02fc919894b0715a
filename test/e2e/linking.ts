import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { temporaryDirectory } from '@berth/core/testing'
import { openStore, type ObjectStore } from '@berth/object-store'
import { missingS3Server, startS3Server, type S3Server } from '@berth/object-store/testing'
import { findPlaces, type LinkStatus, readStatuses } from '@berth/s3-link/links'
import { root as checkout } from '../workspace.ts'

const checkoutBerth = path.join(checkout, 'packages', 'cli', 'bin', 'berth')

/** A pod with links into a real bucket. */
export interface LinkingPod {
  /** A directory that ends with the test; `output` is to be linked in it. */
  root: string
  server: S3Server
  store: ObjectStore
  env: Record<string, string>
  /** The store's URL, past anything that runs in this process: a mount must not wait for who waits for it. */
  url: string
  berth: (args: readonly string[], how?: BerthSettings) => BerthEnd
  status: () => Promise<LinkStatus>
  /** What is mounted there is gone, as after the restart of a pod. */
  unmountLazily: (mountPoint: string) => void
  end: () => Promise<void>
}

export interface BerthSettings {
  env?: Record<string, string>
  /** A command that runs it, such as `setpriv …`. */
  within?: readonly string[]
  directory?: string
}

export interface BerthEnd {
  code: number | null
  stdout: string
  stderr: string
}

/** Why links can't be tried here, or true. */
export function mayLink(program: string): true | string {
  const server = missingS3Server()
  if (server !== undefined) return server
  if (!fs.existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  const { error } = spawnSync(program, ['--version'], { stdio: 'ignore' })
  return error === undefined ? true : 'it is not installed'
}

/** `program` is the command; that of the checkout unless given. */
export async function startLinkingPod(program = checkoutBerth): Promise<LinkingPod> {
  const root = await temporaryDirectory()
  const server = await startS3Server()
  const url = `s3://${server.bucket}?endpoint=${server.directEndpoint}`
  const env = {
    ...server.env,
    PATH: process.env['PATH'] ?? '',
    HOME: root,
    BERTH_LINK_DIR: path.join(root, 'link'),
  }
  const store = await openStore(url, { env: server.env })
  return {
    root,
    server,
    store,
    env,
    url,
    berth: (args, how = {}) => runBerth(program, args, { ...how, env: { ...env, ...how.env } }),
    status: async () => {
      const [status] = await readStatuses(findPlaces(env))
      if (status === undefined) throw new Error('nothing is linked')
      return status
    },
    unmountLazily,
    end: async () => {
      await store.close()
      endMounts(path.join(root, 'link', 'run'))
      await server.close()
    },
  }
}

/** Waits, for twenty seconds unless said otherwise. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const end = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`it did not come about: ${holds.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** The processes of the mounts that there are records of. */
export function mountProcesses(pod: LinkingPod): { keeper: number; daemon: number }[] {
  return recordsIn(path.join(pod.root, 'link', 'run')).map(({ keeper, daemon }) => ({
    keeper: keeper.pid,
    daemon: daemon?.pid ?? 0,
  }))
}

function runBerth(
  program: string,
  args: readonly string[],
  { env, within = [], directory }: BerthSettings & { env: Record<string, string> },
): BerthEnd {
  const [first = program, ...rest] = [...within, program, ...args]
  const { status, stdout, stderr } = spawnSync(first, rest, {
    env,
    cwd: directory,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { code: status, stdout, stderr }
}

interface MountFile {
  keeper: { pid: number }
  daemon?: { pid: number }
  mountPoint: string
}

function recordsIn(runtime: string): MountFile[] {
  const names = fs.existsSync(runtime) ? fs.readdirSync(runtime) : []
  return names.flatMap((name) => {
    const file = path.join(runtime, name, 'mount.json')
    return fs.existsSync(file) ? [JSON.parse(fs.readFileSync(file, 'utf8')) as MountFile] : []
  })
}

/** What a failed test left: the processes by their own numbers, then the mounts, before their server ends. */
function endMounts(runtime: string): void {
  for (const { keeper, daemon, mountPoint } of recordsIn(runtime)) {
    for (const pid of [keeper.pid, daemon?.pid]) {
      if (pid === undefined) continue
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
    unmountLazily(mountPoint)
  }
}

function unmountLazily(mountPoint: string): void {
  spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
}
