import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError, type ErrorFacts } from '@berth/core/error'
import { acquireLease, readFileIfPresent } from '@berth/filesystem'
import type { DriverName, MountSpec } from '../driver/driver.ts'
import { type CarriedSpec, packSpec } from './carried-spec.ts'
import { childEnvironment } from '../driver/child-environment.ts'
import type { StopAnswer } from './keeper-contract.ts'
import { ask, type KeeperOrders } from './keeper-protocol.ts'
import { makePlaces, type Places } from './places.ts'
import { isRunning, type ProcessFacts } from './process-facts.ts'
import { type LinkRecord, openRegistry, type Registry } from './registry.ts'

/** What an unmount that ran out of time gets to end before a link. */
const endingMs = 4_000

export interface MountRequest {
  driver: DriverName
  spec: MountSpec
  places: Places
  signal: AbortSignal
  /** The folder to watch, for that driver. */
  watched?: LinkRecord
}

/**
 * Makes sure that a mount is there and watched over: of one key there is one, whoever asks and however often. Resolves when a canary has gone
 * both ways. The process that stays with it belongs to nobody and lives on.
 */
export async function ensureMount(request: MountRequest): Promise<'started' | 'running'> {
  const { spec, places, signal } = request
  makePlaces(places)
  const registry = openRegistry(places, spec.key)
  mkdirSync(registry.folder, { recursive: true, mode: 0o711 })
  return withLock(join(places.runtime, `${spec.key}.lock`), signal, async () => {
    if (await isKept(registry)) return 'running'
    mkdirSync(spec.runtime, { recursive: true, mode: 0o700 })
    await startKeeper(request)
    return 'started'
  })
}

/** Whether a keeper stays with the mount and means to go on. */
async function isKept(registry: Registry): Promise<boolean> {
  const record = await registry.readMount()
  if (record === undefined || !(await isRunning(record.keeper))) return false
  const state = (await registry.readStatus())?.state
  if (state !== 'unmounting' && state !== 'drain-timeout') return true
  if (state === 'drain-timeout') {
    if (await endsNow(registry, record.keeper)) return false
    throw new BerthError(
      's3-link/unmounting',
      `could not link to \`${record.store}\`: an unmount ran out of time, and can’t be finished yet`,
      {
        hint: 'finish it with `berth unmount-bucket`, which says what it waits for, and link again',
      },
    )
  }
  throw new BerthError(
    's3-link/unmounting',
    `could not link to \`${record.store}\`: it is being unmounted`,
    { hint: 'wait until it is, or run `berth unmount-bucket` again' },
  )
}

/** An unmount that ran out of time has perhaps nothing to wait for any more: then a new mount can take its place. */
async function endsNow({ socket }: Registry, keeper: ProcessFacts): Promise<boolean> {
  const deadline = Date.now() + endingMs
  const answer = await Promise.race([
    ask<StopAnswer>(socket, { verb: 'stop', deadline }),
    sleep(2 * endingMs, undefined, { ref: false }),
  ])
  if (answer?.isStopped !== true) return false
  for (let waits = 0; waits < 100; waits += 1) {
    if (!(await isRunning(keeper))) return true
    await sleep(50)
  }
  return false
}

/** One at a time, over processes; whoever was killed meanwhile is waited for a few seconds only. */
async function withLock<Result>(
  path: string,
  signal: AbortSignal,
  action: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    signal.throwIfAborted()
    const lease = await acquireLease({ path, owner: `pid ${process.pid}`, ttlMs: 3_000 })
    if (lease.state === 'held') {
      try {
        return await action()
      } finally {
        await lease.release()
      }
    }
    await sleep(100, undefined, { signal })
  }
}

async function startKeeper({ driver, spec, places, signal, watched }: MountRequest): Promise<void> {
  const orders: KeeperOrders<CarriedSpec> = { spec: packSpec(spec), driver, places, watched }
  return spawnKeeper(orders, signal)
}

/**
 * Starts the keeper of a mount again that was killed, with what it was started with; it takes over what is there. False where a keeper runs,
 * or nothing is known of one.
 */
export async function reviveKeeper(
  places: Places,
  key: string,
  signal: AbortSignal,
): Promise<boolean> {
  const registry = openRegistry(places, key)
  return withLock(join(places.runtime, `${key}.lock`), signal, async () => {
    const record = await registry.readMount()
    if (record === undefined || (await isRunning(record.keeper))) return false
    const told = await readFileIfPresent(registry.orders)
    if (told === undefined) return false
    const orders = JSON.parse(told.toString()) as KeeperOrders<CarriedSpec>
    await spawnKeeper({ ...orders, isRevived: true }, signal)
    return true
  })
}

async function spawnKeeper(orders: KeeperOrders<CarriedSpec>, signal: AbortSignal): Promise<void> {
  const { runtime, bucket } = orders.spec
  const log = openSync(join(runtime, 'keeper.log'), 'a', 0o600)
  const program = new URL('./keeper.ts', import.meta.url)
  const child = spawn(process.execPath, [program.pathname], {
    env: childEnvironment(runtime),
    cwd: '/',
    stdio: ['pipe', 'pipe', log],
    detached: true,
  })
  closeSync(log)
  const onAbort = () => child.kill('SIGTERM')
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(JSON.stringify(orders))
    const answer = await firstLine(child.stdout as NodeJS.ReadableStream)
    signal.throwIfAborted()
    if (answer === undefined) {
      throw new BerthError(
        's3-link/keeper-ended',
        `could not mount \`${bucket}\`: the process that stays with it ended`,
        {
          hint: `see \`${join(runtime, 'keeper.log')}\``,
        },
      )
    }
    if (answer.error !== undefined) throw asError(answer.error)
  } finally {
    signal.removeEventListener('abort', onAbort)
    child.stdout?.destroy()
    child.unref()
  }
}

interface KeeperAnswer {
  started?: true
  error?: ErrorFacts
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<KeeperAnswer | undefined> {
  let text = ''
  for await (const chunk of stream) {
    text += String(chunk)
    if (text.includes('\n')) return JSON.parse(text) as KeeperAnswer
  }
  return undefined
}

function asError({ code, message, hint, excerpt }: ErrorFacts): Error {
  if (code === 'core/bug') return new Error(message)
  return new BerthError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(excerpt === undefined ? {} : { excerpt }),
  })
}
