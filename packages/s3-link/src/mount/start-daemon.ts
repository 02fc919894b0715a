import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import { makeDirectory, type Mount, writeFileAtomic } from '@berth/filesystem'
import type { MountDriver, MountPlan, MountSpec } from '../driver/driver.ts'
import { mountAt } from './mount-table.ts'

export interface Daemon {
  pid: number
  mount: Mount
  /** The mount of a daemon that ended stays in the table. */
  hasEnded: () => boolean
  /** Resolves when it has ended, however that came. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

const pollMs = 50

/**
 * Starts a driver's daemon in the foreground and waits until the kernel's table shows its mount. A daemon that ends first is explained
 * by its log: `s3-link/…`. One that is still not there after `withinMs` is ended: `s3-link/mount-late`.
 */
export async function startDaemon(
  driver: MountDriver,
  spec: MountSpec,
  { withinMs, signal }: { withinMs: number; signal: AbortSignal },
): Promise<Daemon> {
  const plan = driver.plan(spec)
  for (const path of plan.directories) await makeDirectory(path, 0o700)
  for (const { path, content } of plan.files) {
    await writeFileAtomic(path, content.reveal(), { mode: 0o600 })
  }
  makeMountPoint(spec.mountPoint)
  const log = logOf(spec)
  const begin = await sizeOf(log)
  const file = openSync(log, 'a', 0o600)
  // Not a pipe of ours: the daemon must live on, and be able to write, when we do not.
  const child = spawn(plan.command[0], plan.command.slice(1), {
    env: environmentOf(plan),
    cwd: '/',
    stdio: ['ignore', file, file],
    detached: true,
  })
  closeSync(file)
  const ended = endOf(child)
  let hasEnded = false
  void ended.then(() => (hasEnded = true))
  const end = performance.now() + withinMs
  for (;;) {
    const mount = await mountAt(spec.mountPoint)
    if (mount?.type === plan.type && child.pid !== undefined && !hasEnded) {
      return { pid: child.pid, mount, ended, hasEnded: () => hasEnded }
    }
    if (hasEnded) throw await explainEnd(driver, spec, { begin, end: await ended })
    if (performance.now() > end || signal.aborted) break
    await sleep(pollMs)
  }
  child.kill('SIGKILL')
  signal.throwIfAborted()
  throw new BerthError(
    's3-link/mount-late',
    `could not mount \`${spec.bucket}\` with ${driver.name}: it was not there after ${Math.round(withinMs / 1000)} s`,
    { hint: `see the log with \`berth mounts --log\`` },
  )
}

/** Nothing is to be written where the mount is missing; only root may mount on what it can't write to. */
function makeMountPoint(path: string): void {
  mkdirSync(path, { recursive: true, mode: process.getuid?.() === 0 ? 0o555 : 0o700 })
}

function environmentOf({ env, secrets = {} }: MountPlan): Record<string, string> {
  const revealed = Object.entries(secrets).map(([name, value]) => [name, value.reveal()])
  return { ...env, ...(Object.fromEntries(revealed) as Record<string, string>) }
}

/** The daemon's log, readable by this user alone. */
function logOf(spec: Pick<MountSpec, 'runtime'>): string {
  return join(spec.runtime, 'log')
}

function endOf(child: ChildProcess): Daemon['ended'] {
  return new Promise((resolve) => {
    child.once('exit', (code, by) => resolve({ code, signal: by }))
    child.once('error', () => resolve({ code: 127, signal: null }))
  })
}

async function explainEnd(
  driver: MountDriver,
  spec: MountSpec,
  { begin, end }: { begin: number; end: Awaited<Daemon['ended']> },
): Promise<BerthError> {
  const text = await readFile(logOf(spec), 'utf8').catch(() => '')
  const lines = text.slice(begin).split('\n').filter(Boolean)
  if (end.code === 127) {
    return new BerthError('s3-link/no-driver', `could not start \`${driver.program}\``, {
      hint: `install it: \`apt-get install ${driver.program} fuse3\``,
    })
  }
  const fault = driver.explain(lines)
  const { why, hint } = fault ?? {
    why: `it ended with ${end.signal ?? end.code}`,
    hint: 'see what it said',
  }
  return new BerthError(
    fault?.code ?? 's3-link/driver-ended',
    `could not mount \`${spec.bucket}\` with ${driver.name}: ${why}`,
    { hint, excerpt: lines.slice(-8).join('\n') },
  )
}

async function sizeOf(path: string): Promise<number> {
  return (await readFile(path, 'utf8').catch(() => '')).length
}
