import { attemptEach, BerthError, done, skipped, unchanged, type StepContext } from '@berth/core'
import { recoverSwap } from '@berth/filesystem'
import { doubtStore } from '@berth/object-store'
import type { SharedInputs } from './check.ts'
import { decide, type Decision } from './decide.ts'
import type { Place } from './inspect.ts'
import { readLinks, writeLinks, type Links } from './link.ts'
import { prepare } from './prepare.ts'
import {
  settle,
  unpack,
  type Placed,
  type PlacementOptions,
  type Unpacking,
} from './put-in-place.ts'

// Each of them has its own requests and threads under way.
const UNPACKED_AT_ONCE = 4

/** Puts every directory in place: those that only need a link first, then what has to be unpacked, side by side. */
export async function restoreShared(context: StepContext<SharedInputs>) {
  const startedAt = performance.now()
  await using prepared = await prepare(context)
  const { pod, places, store, hastyStore } = prepared
  const { signal, log, progress } = context
  const links = await readLinks(pod)
  const { existing } = context.inputs
  const options: PlacementOptions = { links, store, hastyStore, existing, signal, log, progress }
  const decisions = await eachPlace(places, context, async (place) => {
    await recoverSwap(place.at)
    return decide(place, options)
  })
  warnAbout(decisions, places, log)
  await recordLinks(pod, links, decisions)
  const settled = await eachPlace(decisions, context, (decision) => settle(decision, options))
  // What only needs a link must not wait for a store that hangs.
  const asksStore = settled.some((result) => 'decision' in result)
  const doubt = asksStore ? await doubtStore(context.inputs.store) : undefined
  if (doubt !== undefined) log.warn(doubt.text)
  const placed = await eachPlace(settled, context, async (result) =>
    'outcome' in result ? result : unpack(result, options),
  )
  return summarise(placed, log, (performance.now() - startedAt) / 1000)
}

type HasPlace = Place | Decision | Placed | Unpacking

/** What failed before stays failed; the others go on. */
async function eachPlace<Item extends HasPlace, Result>(
  items: readonly (Item | BerthError)[],
  { signal }: StepContext<SharedInputs>,
  act: (item: Item) => Promise<Result>,
): Promise<(Result | BerthError)[]> {
  return attemptEach(items, {
    atOnce: UNPACKED_AT_ONCE,
    signal,
    code: 'restore/system',
    what: (item) => `could not put ${item instanceof BerthError ? '' : nameOf(item)} in place`,
    act: async (item) => {
      if (item instanceof BerthError) throw item
      return act(item)
    },
  })
}

function nameOf(item: HasPlace): string {
  if ('directory' in item) return `\`${item.directory}\``
  return `\`${('place' in item ? item : item.decision).place.directory}\``
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
    const { directory, at, ignored } = place
    const isDoubtful = ['ignored', 'unusable', 'half-made'].includes(volume.kind)
    if (isDoubtful && 'reason' in volume && ignored === undefined) {
      log.warn(`${directory}: the volume is passed over: ${volume.reason}`)
    }
    if (unreachable !== undefined) {
      log.warn(`${directory}: whether the volume is behind the store is not known: ${unreachable}`)
    }
    if (pod.kind === 'foreign-link') {
      log.warn(`${directory}: ${at} is a link to ${pod.target} that Berth did not make; it stays`)
    }
  }
}

async function recordLinks(
  pod: string,
  links: Links,
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

function summarise(
  results: readonly (Placed | BerthError)[],
  log: StepContext['log'],
  seconds: number,
) {
  const failures = results.filter((result) => result instanceof BerthError)
  const placed = results.filter((result): result is Placed => !(result instanceof BerthError))
  for (const { directory, outcome, reason } of placed) {
    log.info(`${directory}: ${outcome} (${reason})`)
  }
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
  const reasons = failures.map(({ message }) => message).join('; ')
  return new BerthError(
    'restore/failed',
    `could not put ${failures.length} of ${count} directories in place: ${reasons}`,
    { hint: 'cure each of them; the other directories are in place', problems: failures },
  )
}
