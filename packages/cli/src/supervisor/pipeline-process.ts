import { isBerthError } from '@berth/core/error'
import type { NewEvent } from '@berth/core'
import { shownError } from '../output-mask.ts'
import { Outlet } from './outlet.ts'
import type { Order, PipelineRequest, Report } from './protocol.ts'
import type { LoadedPipeline } from './pipeline-work.ts'

// The process of one pipeline: it loads the recipe as soon as it is named, runs when it is told to go, and ends. Signals are the
// supervisor's business; without a supervisor it cancels what it does.

const cancel = new AbortController()
const skipOptional = new AbortController()
const requested = Promise.withResolvers<PipelineRequest>()
const go = Promise.withResolvers<number | undefined>()
const outlet = new Outlet(
  (reports) => new Promise((resolve) => process.send?.(reports, undefined, {}, resolve)),
)
let loaded: LoadedPipeline | undefined
let hasBegun = false

for (const name of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
  process.on(name, () => {})
}
process.once('disconnect', () => {
  // Nobody will say go any more.
  if (!hasBegun) process.exit(0)
  cancel.abort('the supervisor is gone')
})
process.on('message', (message) => {
  const order = message as Order
  if (order.type === 'load') requested.resolve(order.request)
  if (order.type === 'go') {
    hasBegun = true
    go.resolve(order.deadline)
  }
  if (order.type === 'deadline') loaded?.hasten(order.deadline)
  if (order.type === 'cancel') cancel.abort(order.reason)
  if (order.type === 'skip-optional') skipOptional.abort()
})

const { loadPipeline } = await import('./pipeline-work.ts')
outlet.report(await work(await requested.promise))
await outlet.drained()
process.exit(0)

async function work(request: PipelineRequest): Promise<Report> {
  const emit = (event: NewEvent): void => {
    outlet.report({ type: 'event', event: { ...event, time: Date.now() } })
  }
  try {
    loaded = await loadPipeline({ request, emit, cancel, skipOptional: skipOptional.signal })
  } catch (error) {
    if (!isBerthError(error)) throw error
    return { type: 'refused', error: shownError(error) }
  }
  outlet.report({ type: 'loaded', facts: loaded.facts })
  return loaded.run(await go.promise)
}
