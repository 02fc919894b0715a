import { resolve } from 'node:path'
import {
  BerthError,
  done,
  skipped,
  unchanged,
  type PlannedAction,
  type StepContext,
} from '@berth/core'
import { recoverSwap } from '@berth/filesystem'
import { openStore, type ObjectStore } from '@berth/object-store'
import { askStore, decide, type Decision } from './decide.ts'
import { readLinks, writeLinks } from './links.ts'
import { listPlaces, type Place } from './places.ts'
import { asBerthError, settle, unpack, type Placed, type PlacementOptions } from './put-in-place.ts'
import type { Existing } from './choose-source.ts'

export interface SharedInputs {
  to: string
  volume: string
  store: string
  archive: string
  directories: string[]
  existing: Existing
}

type PlanContext = Omit<StepContext<SharedInputs>, 'willUndo' | 'progress'>

// Each of them has its own requests and threads under way.
const UNPACKED_AT_ONCE = 4

/** Puts every directory in place: those that only need a link first, then what has to be unpacked, side by side. */
export async function restoreShared(context: StepContext<SharedInputs>) {
  const startedAt = performance.now()
  await using prepared = await prepare(context)
  const { pod, places, store } = prepared
  for (const { at } of places) await recoverSwap(at)
  const links = await readLinks(pod)
  const options: PlacementOptions & { existing: Existing } = {
    links,
    store,
    existing: context.inputs.existing,
    signal: context.signal,
    log: context.log,
    progress: context.progress,
  }
  const decisions = await Promise.all(
    places.map((place) => attempt(place, () => decide(place, options))),
  )
  warnAbout(decisions, places, context.log)
  await recordLinks(pod, links, decisions)
  const settled = await Promise.all(
    decisions.map(async (decision) =>
      decision instanceof BerthError
        ? decision
        : attempt(decision.place, () => settle(decision, options)),
    ),
  )
  const placed = await mapBounded(settled, UNPACKED_AT_ONCE, async (result) =>
    result instanceof BerthError || !('decision' in result)
      ? result
      : attempt(result.decision.place, () => unpack(result, options)),
  )
  context.signal.throwIfAborted()
  return summarise(placed, context.log, (performance.now() - startedAt) / 1000)
}

/** What would become of each directory, and why. */
export async function planShared(context: PlanContext): Promise<PlannedAction> {
  await using prepared = await prepare(context)
  const { pod, places, store } = prepared
  const links = await readLinks(pod)
  const options = { links, store, existing: context.inputs.existing, signal: context.signal }
  const decisions = await Promise.all(places.map((place) => decide(place, options)))
  const lines = await Promise.all(
    decisions.map(async ({ place, pod: there, volume, choice, reason }) => {
      if (choice === 'link' && volume.kind === 'held') {
        const isThere = there.kind === 'our-link' && there.target === volume.path
        return { acts: !isThere, text: `${place.directory}: link to ${volume.path} (${reason})` }
      }
      if (choice !== 'unpack') {
        return {
          acts: choice === 'refuse',
          text: `${place.directory}: ${planWords[choice]} (${reason})`,
        }
      }
      const { store: generation, unreachable } = await askStore(place.archive, options)
      if (generation === 'none') {
        return {
          acts: false,
          text: `${place.directory}: absent (the store has no archive ${place.archive})`,
        }
      }
      const what = typeof generation === 'number' ? `generation ${generation} of ` : ''
      const doubt = unreachable === undefined ? '' : `; the store can't be asked: ${unreachable}`
      return {
        acts: true,
        text: `${place.directory}: unpack ${what}${place.archive} (${reason}${doubt})`,
      }
    }),
  )
  const acts = lines.some((line) => line.acts)
  return { action: acts ? 'run' : 'unchanged', summary: lines.map((line) => line.text).join('; ') }
}

const planWords = { keep: 'keep', link: 'link', refuse: 'fail', nothing: 'absent' }

interface Prepared extends AsyncDisposable {
  pod: string
  places: Place[]
  store: ObjectStore | undefined
}

/** Checks everything that can be wrong with the inputs before anything is touched. */
async function prepare({ inputs, env, workingDirectory, signal }: PlanContext): Promise<Prepared> {
  const pod = resolve(workingDirectory, inputs.to)
  const volume = inputs.volume === '' ? undefined : resolve(workingDirectory, inputs.volume)
  const { archive, directories } = inputs
  const [places, store] = await Promise.all([
    listPlaces({ pod, volume, archive, directories }),
    inputs.store === '' ? undefined : openStore(inputs.store, { env, signal }),
  ])
  return { pod, places, store, [Symbol.asyncDispose]: async () => store?.close() }
}

/** One directory's failure is its own: the others go on. A cancelled step stops as a whole. */
async function attempt<Result>(
  place: Place,
  act: () => Promise<Result>,
): Promise<Result | BerthError> {
  try {
    return await act()
  } catch (error) {
    return asBerthError(error, `could not put \`${place.at}\` in place`)
  }
}

function warnAbout(
  decisions: readonly (Decision | BerthError)[],
  places: readonly Place[],
  log: StepContext['log'],
): void {
  const [first] = places
  if (first?.ignored !== undefined) log.warn(`the volume is ignored: ${first.ignored}`)
  for (const decision of decisions) {
    if (decision instanceof BerthError) continue
    const { place, pod, volume, unreachable } = decision
    const isDoubtful = ['ignored', 'unusable', 'half-made'].includes(volume.kind)
    if (isDoubtful && 'reason' in volume && place.ignored === undefined) {
      log.warn(`${place.directory}: the volume is passed over: ${volume.reason}`)
    }
    if (unreachable !== undefined) {
      log.warn(
        `${place.directory}: whether the volume is behind the store is not known: ${unreachable}`,
      )
    }
    if (pod.kind === 'foreign-link') {
      log.warn(
        `${place.directory}: ${place.at} is a link to ${pod.target} that Berth did not make; it stays`,
      )
    }
  }
}

async function recordLinks(
  pod: string,
  links: Readonly<Record<string, string>>,
  decisions: readonly (Decision | BerthError)[],
): Promise<void> {
  const added = decisions.flatMap((decision) =>
    !(decision instanceof BerthError) &&
    decision.choice === 'link' &&
    decision.volume.kind === 'held'
      ? [[decision.place.directory, decision.volume.path] as const]
      : [],
  )
  if (added.every(([directory, target]) => links[directory] === target)) return
  await writeLinks(pod, { ...links, ...Object.fromEntries(added) })
}

async function mapBounded<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: limit }, worker))
  return results
}

function summarise(
  results: readonly (Placed | BerthError)[],
  log: StepContext['log'],
  seconds: number,
) {
  const failures = results.filter((result) => result instanceof BerthError)
  const placed = results.filter((result): result is Placed => !(result instanceof BerthError))
  for (const { directory, outcome, reason } of placed)
    log.info(`${directory}: ${outcome} (${reason})`)
  if (failures.length > 0) throw failed(failures, results.length)
  const named = (outcome: Placed['outcome']) =>
    placed.filter((result) => result.outcome === outcome).map(({ directory }) => directory)
  const facts = {
    linked: named('linked'),
    unpacked: named('unpacked'),
    kept: named('kept'),
    absent: named('absent'),
    bytes: placed.reduce((sum, { bytes }) => sum + bytes, 0),
    files: placed.reduce((sum, { files }) => sum + files, 0),
    seconds: Math.round(seconds * 1000) / 1000,
  }
  if (placed.some(({ changed }) => changed)) return done(facts)
  if (facts.absent.length === placed.length) return skipped('there is nothing anywhere', facts)
  return unchanged('every directory is in place', facts)
}

function failed(failures: readonly BerthError[], count: number): BerthError {
  const [first] = failures
  if (first !== undefined && count === 1) return first
  return new BerthError(
    'restore/failed',
    `could not put ${failures.length} of ${count} directories in place: ${failures.map(({ message }) => message).join('; ')}`,
    { hint: 'cure each of them; the other directories are in place', problems: failures },
  )
}
