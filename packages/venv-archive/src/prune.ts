import { listArchives, parseAge, parseGrace, pruneStore, type PruneResult } from '@berth/archive'
import { done, skipped, unchanged, type PlannedAction, type StepContext } from '@berth/core'
import { isBerthError } from '@berth/core/error'
import { openStore } from '@berth/object-store'

export interface PruneInputs {
  store: string
  archive: string
  'keep-last': number
  'keep-daily': number
  'keep-weekly': number
  siblings: string
  grace: string
}

type PruneContext = Pick<StepContext<PruneInputs>, 'inputs' | 'env' | 'signal' | 'log'>

// What a prune reads grows with the store's past, and the saves beside it need all of a stop's time.
const SHORT_MS = 10 * 60_000

/** Forgets what the retention no longer keeps and removes what nothing needs, by and by: each run does what is ripe. */
export async function pruneArchives(context: StepContext<PruneInputs>) {
  const { deadline } = context
  if (deadline !== undefined && deadline - Date.now() < SHORT_MS)
    return skipped('the pod is about to stop: it prunes while the app runs', nothing)
  const result = await prune(context, { dryRun: false })
  if (result === undefined) return skipped(absentReason(context.inputs), nothing)
  const facts = {
    snapshots: result.removed.snapshots.length,
    objects: result.removed.objects,
    bytes: result.removed.bytes,
    marked: result.marked.objects + result.marked.snapshots.length,
    next: result.nextAt,
  }
  if (result.result === 'pruned') return done(facts)
  if (result.result === 'unchanged') return unchanged('all that the store holds is needed', facts)
  return unchanged(`what is marked can go after ${result.nextAt}`, facts)
}

const nothing = { snapshots: 0, objects: 0, bytes: 0, marked: 0, next: '' }

/** What a prune would do now; reads the store. */
export async function planPrune(context: PruneContext): Promise<PlannedAction> {
  const { inputs } = context
  const result = await prune(context, { dryRun: true })
  if (result === undefined) return { action: 'skipped', summary: absentReason(inputs) }
  const { removed, marked, nextAt } = result
  if (result.result === 'waiting')
    return {
      action: 'unchanged',
      summary: `what is marked in ${inputs.store} waits until ${nextAt}`,
    }
  if (result.result === 'unchanged')
    return { action: 'unchanged', summary: `all that ${inputs.store} holds is needed` }
  const amount = ({ objects, snapshots }: PruneResult['removed']) =>
    `${objects} objects and ${snapshots.length} snapshots`
  return {
    action: 'run',
    summary: `in ${inputs.store} remove ${amount(removed)}, and mark ${amount(marked)}`,
  }
}

/** `undefined` when there is no such archive, or no store yet: a step that runs from time to time waits for the first save. */
async function prune(
  { inputs, env, signal, log }: PruneContext,
  { dryRun }: { dryRun: boolean },
): Promise<PruneResult | undefined> {
  const { archive } = inputs
  const store = await openStore(inputs.store, { env, signal })
  try {
    if (archive !== '' && !(await listArchives(store, { signal })).includes(archive))
      return undefined
    return await pruneStore({
      store,
      name: archive === '' ? undefined : archive,
      retention: {
        keepLast: inputs['keep-last'],
        keepDaily: inputs['keep-daily'],
        keepWeekly: inputs['keep-weekly'],
        siblingsMs: inputs.siblings === '' ? undefined : parseAge(inputs.siblings),
      },
      graceMs: parseGrace(inputs.grace),
      dryRun,
      signal,
      onNote: (level, text) => log[level](text),
    })
  } catch (error) {
    if (!isBerthError(error) || error.code !== 'archive/missing-store') throw error
    return undefined
  } finally {
    await store.close()
  }
}

function absentReason({ archive, store }: PruneInputs): string {
  return archive === ''
    ? `there is no store at ${store} yet`
    : `the store has no archive ${archive}`
}
