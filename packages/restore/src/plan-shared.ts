import type { PlannedAction } from '@berth/core'
import { doubtStore } from '@berth/object-store'
import { askStore, decide, type Decision, type DecisionOptions } from './decide.ts'
import { readLinks } from './link.ts'
import type { PlanContext } from './check.ts'
import { prepare } from './prepare.ts'

/** What would become of each directory, and why; writes nothing. */
export async function planShared(context: PlanContext): Promise<PlannedAction> {
  await using prepared = await prepare(context)
  const { pod, places, store, hastyStore } = prepared
  const { signal, inputs } = context
  const links = await readLinks(pod)
  const options = { links, store, hastyStore, existing: inputs.existing, signal }
  const lines = await Promise.all(
    places.map(async (place) => describe(await decide(place, options), options)),
  )
  const doubt = await doubtStore(inputs.store)
  return {
    ...(doubt === undefined ? {} : { warnings: [doubt.text] }),
    action: lines.some(({ acts }) => acts) ? 'run' : 'unchanged',
    summary: lines.map(({ text }) => text).join('; '),
  }
}

interface PlannedLine {
  acts: boolean
  text: string
}

async function describe(decision: Decision, options: DecisionOptions): Promise<PlannedLine> {
  const { place, pod, volume, choice, reason } = decision
  const { directory } = place
  if (choice === 'unpack') return describeUnpacking(decision, options)
  if (choice === 'link' && volume.kind === 'held') {
    const isThere = pod.kind === 'our-link' && pod.target === volume.path
    return { acts: !isThere, text: `${directory}: link to ${volume.path} (${reason})` }
  }
  const word = choice === 'refuse' ? 'fail' : choice === 'nothing' ? 'absent' : choice
  return { acts: choice === 'refuse', text: `${directory}: ${word} (${reason})` }
}

async function describeUnpacking(
  { place, reason }: Decision,
  options: DecisionOptions,
): Promise<PlannedLine> {
  const { directory, archive } = place
  const { store: generation, unreachable } = await askStore(archive, options)
  if (generation === 'none') {
    const text = `${directory}: absent (${reason}, and the store has no archive ${archive})`
    return { acts: false, text }
  }
  const what = typeof generation === 'number' ? `generation ${generation} of ${archive}` : archive
  const doubt = unreachable === undefined ? '' : `; the store can't be asked: ${unreachable}`
  return { acts: true, text: `${directory}: unpack ${what} (${reason}${doubt})` }
}
