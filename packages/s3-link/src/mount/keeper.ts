// The process that stays with a mount. It is started with the mount's facts and keys on its standard input, and says on its standard
// output whether the mount came.
import { rmSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorFacts } from '@berth/core'
import { makeDirectory } from '@berth/filesystem'
import { answerOn } from './keeper-protocol.ts'
import { MountKeeper } from './mount-keeper.ts'
import { mountDrivers } from '../driver/mount-drivers.ts'
import { type CarriedSpec, unpackSpec } from './carried-spec.ts'
import type { Places } from './places.ts'
import { openRegistry } from './registry.ts'
import { countSpools } from './spool.ts'
import { drainSpool } from './drain-spool.ts'
import { fileStoreOf, storeOf } from './store-of.ts'

const tickMs = 1_000

const orders = JSON.parse(await text(process.stdin)) as { spec: CarriedSpec; places: Places }
const driver = mountDrivers[orders.spec.driver]
const spec = unpackSpec(orders.spec)
const registry = openRegistry(orders.places, spec.key)
const life = new AbortController()
// Who started it may be gone before it has said everything.
process.stdout.on('error', () => undefined)
// Only who asks on the socket ends a mount that works; before that, a start can be given up.
for (const signal of ['SIGHUP', 'SIGPIPE', 'SIGINT'] as const) process.on(signal, () => undefined)

const patience = { attempts: 2, attemptsToReach: 1, connectMs: 3_000, stallMs: 10_000 }
const store = await storeOf(spec, { signal: life.signal, patience })
const keeper = new MountKeeper({
  driver,
  spec,
  store,
  registry,
  spool: {
    count: countSpools,
    drain: async (links, signal) => {
      const files = await fileStoreOf(spec, signal)
      try {
        for (const link of links) await drainSpool(link, files, signal)
      } finally {
        await files.close()
      }
    },
  },
})

process.on('SIGTERM', () => keeper.giveUpStart())
try {
  await keeper.start()
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: errorFacts(error) })}\n`)
  await registry.forget()
  process.exit(1)
}
let isOver = false
await makeDirectory(spec.runtime, 0o700)
rmSync(registry.socket, { force: true })
await answerOn(registry.socket, async (question) => {
  if (question.verb === 'turn') return keeper.turnLinks()
  const answer = await keeper.stop(question.deadline)
  isOver = answer.isStopped
  return answer
})
process.stdout.write(`${JSON.stringify({ started: true })}\n`)
while (!isOver) {
  await Promise.race([sleep(tickMs), keeper.daemonEnded.then(() => sleep(50))])
  if (!isOver) await keeper.tick()
}
// The last answer is on its way.
await sleep(200)
process.exit(0)
