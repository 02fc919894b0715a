// The process that stays with a mount, or with a folder that is watched. It is started with the facts and keys on its standard input, and
// says on its standard output whether it came about.
import { rmSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorFacts } from '@berth/core'
import { makeDirectory, writeFileAtomic } from '@berth/filesystem'
import { mountDrivers } from '../driver/mount-drivers.ts'
import { defaultWatchOptions, splitOptions, type WatchOptions } from '../driver/watch-options.ts'
import { type CarriedSpec, unpackSpec } from './carried-spec.ts'
import { drainSpool } from './drain-spool.ts'
import type { Keeper } from './keeper-contract.ts'
import { answerOn, type KeeperOrders } from './keeper-protocol.ts'
import { MountKeeper } from './mount-keeper.ts'
import { isRunning } from './process-facts.ts'
import { openRegistry } from './registry.ts'
import { countSpools, pendingOf, type Spool } from './spool.ts'
import { fileStoreOf, storeOf } from './store-of.ts'
import { WatchKeeper } from './watch-keeper.ts'

const tickMs = 1_000

const told = await text(process.stdin)
const orders = JSON.parse(told) as KeeperOrders<CarriedSpec>
const spec = unpackSpec(orders.spec)
const registry = openRegistry(orders.places, spec.key)
const { signal } = new AbortController()
// Who started it may be gone before it has said everything.
process.stdout.on('error', () => undefined)
// The disk of its log may be full.
process.stderr.on('error', () => undefined)
let lastFault = ''
process.on('unhandledRejection', note)
// Only who asks on the socket ends a mount that works; before that, a start can be given up.
for (const name of ['SIGHUP', 'SIGPIPE', 'SIGINT'] as const) process.on(name, () => undefined)

const keeper = await openKeeper()
process.on('SIGTERM', () => keeper.giveUpStart())
try {
  // As private as the file of the daemon's keys; should this process be killed, another goes on with them.
  await writeFileAtomic(registry.orders, told, { mode: 0o600 }).catch(() => undefined)
  await keeper.start()
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: errorFacts(error) })}\n`)
  if (orders.isRevived !== true) await registry.forget()
  process.exit(1)
}
let isOver = false
let looking = Promise.resolve()
await lookOnce()
await makeDirectory(spec.runtime, 0o700)
rmSync(registry.socket, { force: true })
await answerOn(registry.socket, async (question) => {
  if (question.verb === 'look') return lookOnce()
  if (question.verb === 'adjust') return adjust(question.options)
  if (question.verb === 'leave') return keeper.leave?.(question.path, question.deadline)
  const answer = await keeper.stop(question.deadline)
  isOver = answer.isStopped
  return answer
})
process.stdout.write(`${JSON.stringify({ started: true })}\n`)
while (!isOver && !(await isFollowed())) {
  await Promise.race([sleep(tickMs), keeper.awakened().then(() => sleep(50))])
  await lookOnce()
}
// The last answer is on its way.
await sleep(200)
process.exit(0)

/** A disk that is full, for example: whatever goes wrong, a mount must not lose who watches over it. */
function note(error: unknown): void {
  const fault = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (fault !== lastFault) process.stderr.write(`${new Date().toISOString()} ${fault}\n`)
  lastFault = fault
}

/** Another has the mount, because this one was taken for dead: two would turn its links to and fro. */
async function isFollowed(): Promise<boolean> {
  const keeper = (await registry.readMount().catch(() => undefined))?.keeper
  return keeper !== undefined && keeper.pid !== process.pid && (await isRunning(keeper))
}

/** One look at a time, whoever wants it. */
function lookOnce(): Promise<void> {
  looking = looking.then(async () => {
    if (isOver) return
    try {
      await keeper.tick()
    } catch (error) {
      note(error)
    }
  })
  return looking
}

/** Says whether something is otherwise now; who follows this process goes on with it. */
async function adjust(given: Partial<WatchOptions>): Promise<boolean> {
  // What is undefined does not come through a socket.
  const options = { ...defaultWatchOptions, ...given }
  const before = JSON.stringify(splitOptions(spec.options).watch)
  Object.assign(orders.spec.options, options)
  Object.assign(spec.options, options)
  if (JSON.stringify(splitOptions(spec.options).watch) === before) return false
  keeper.adjust?.(options)
  const text = JSON.stringify(orders)
  await writeFileAtomic(registry.orders, text, { mode: 0o600 }).catch(() => undefined)
  return true
}

async function openKeeper(): Promise<Keeper> {
  const { watched, driver } = orders
  if (driver === 'watch') {
    if (watched === undefined) throw new Error('nothing was named to watch')
    const files = await fileStoreOf(spec, signal)
    return new WatchKeeper({ spec, files, registry, link: watched })
  }
  const patience = { attempts: 2, attemptsToReach: 1, connectMs: 3_000, stallMs: 10_000 }
  const store = await storeOf(spec, { signal, patience })
  return new MountKeeper({
    driver: mountDrivers[driver],
    spec,
    store,
    registry,
    spool: openSpool(),
    isRevived: orders.isRevived === true,
  })
}

function openSpool(): Spool {
  return {
    count: countSpools,
    drain: async (links, within) => {
      const files = await fileStoreOf(spec, within)
      try {
        const left = []
        for (const link of links) left.push(...(await drainSpool(link, files, within)))
        return pendingOf(left)
      } finally {
        await files.close()
      }
    },
  }
}
