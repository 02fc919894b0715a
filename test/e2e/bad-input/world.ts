import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { readTree } from '@berth/core/testing'
import { root } from '../../workspace.ts'

/** What a command is run on: a directory of its own, and a state directory beside it. */
export interface World {
  /** `recipe.yaml`; `pod/tree`, a user's own directory; `tree`, one to save; `store`, which holds `tree` as `app/tree`. */
  here: string
  state: string
  env: Record<string, string>
  /** Mounts a file system in memory, until the world is removed. */
  mount: (place: string, options: string) => void
  remove: () => void
}

export interface Ending {
  code: number | null
  /** Times, ports, hashes and the world's own paths replaced by what is always the same. */
  stdout: string
  stderr: string
}

/** Whether the step ran that a bad input must keep from running. */
export function sawCanary({ here }: World): boolean {
  return fs.existsSync(path.join(here, 'canary'))
}

/** A new world; a store is copied into it. Whoever makes it removes it. */
export function makeWorld(store?: string): World {
  const home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'berth-bad-')))
  const here = path.join(home, 'here')
  fs.mkdirSync(path.join(here, 'pod/tree'), { recursive: true })
  fs.writeFileSync(path.join(here, 'pod/tree/mine'), 'what a user has made')
  fs.mkdirSync(path.join(here, 'tree'))
  fs.writeFileSync(path.join(here, 'tree/file'), 'content')
  fs.writeFileSync(path.join(here, 'tree/noise'), randomBytes(400_000))
  if (store !== undefined) fs.cpSync(store, path.join(here, 'store'), { recursive: true })
  const state = path.join(home, 'state')
  const env = {
    PATH: `${root}/packages/cli/bin:${process.env['PATH']}`,
    HOME: home,
    BERTH_STATE_DIR: state,
    LOCAL: `file://${here}/store`,
    // Without a key the SDK would ask the instance for one, which takes seconds where there is none.
    AWS_EC2_METADATA_DISABLED: 'true',
  }
  const mounted: string[] = []
  const mount = (place: string, options: string): void => {
    fs.mkdirSync(place, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'berth-e2e', place], { stdio: 'pipe' })
    mounted.push(place)
  }
  const remove = (): void => {
    for (const place of mounted) execFileSync('umount', ['--lazy', place])
    fs.rmSync(home, { recursive: true })
  }
  return { here, state, env, mount, remove }
}

/** Runs a line of shell in the world's directory, in which `berth` is the real command. */
export async function runIn(world: World, line: string): Promise<Ending> {
  const child = spawn('bash', ['-c', line], {
    cwd: world.here,
    env: world.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout: settled(stdout, world), stderr: settled(stderr, world) }
}

function settled(text: string, { here, state }: World): string {
  return (
    text
      .replaceAll(here, '/here')
      .replaceAll(state, '/state')
      .replaceAll(/^\d\d:\d\d\.\d {2}/gm, '')
      .replaceAll(/\b\d+(?:\.\d+)? m?s\b/g, '0 s')
      .replaceAll(/chunks\/[0-9a-f]{2}\/[0-9a-f]{64}/g, 'chunks/<name>')
      .replaceAll(/\b[0-9a-f]{64}\b/g, '<sha256>')
      .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:0')
      .replaceAll(/\(\d tries\)/g, '(some tries)')
      // Of requests that are under way at once any may be the one that fails.
      .replaceAll(/could not (?:read|list) `[^`]*` in s3:/g, 'could not ask s3:')
      .replaceAll(/ +$/gm, '')
  )
}

/** Everything in the world but the state directory; `exact` with inodes and times, so that a rewrite shows too. */
export async function listWorld({ here }: World): Promise<Record<string, string>> {
  return readTree(here, { exact: true })
}

/** The same without what a step that has begun may leave: Berth's own state beside a directory. */
export function withoutState(listing: Record<string, string>): Record<string, string> {
  const kept = Object.entries(listing).filter(([file]) => !file.split('/').includes('.berth'))
  return Object.fromEntries(
    // A directory in which `.berth` was made has another time.
    kept.map(([file, what]) => [file, file.endsWith('/') ? what.replace(/ mtime.*/, '') : what]),
  )
}
