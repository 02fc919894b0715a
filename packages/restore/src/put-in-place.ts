import { restoreTree } from '@berth/archive'
import { asUserError, BerthError, type StepContext } from '@berth/core'
import { decideWithoutVolume, type Decision, type DecisionOptions } from './decide.ts'
import { linkPlace, removeLink } from './link.ts'
import { requireVenvs } from './venvs.ts'

/** What became of one directory. */
export interface Placed {
  directory: string
  outcome: 'linked' | 'unpacked' | 'kept' | 'absent'
  changed: boolean
  reason: string
  /** Of the files that were written, uncompressed. */
  bytes: number
  files: number
}

export interface PlacementOptions extends DecisionOptions {
  log: StepContext['log']
  progress: StepContext['progress']
}

/** What is still to be unpacked, after all that only needs a link is in place. */
export interface Unpacking {
  decision: Decision
  /** Why the volume's own directory could not be taken: a directory that exists and can't be used is not `absent`. */
  linkFailure: BerthError | undefined
}

/** Does at once what takes no time; what has to be unpacked comes back as such. */
export async function settle(
  decision: Decision,
  options: PlacementOptions,
): Promise<Placed | Unpacking> {
  if (decision.choice === 'link') return settleByLink(decision, options)
  return settleWithoutLink(decision, undefined, options)
}

async function settleByLink(
  decision: Decision,
  options: PlacementOptions,
): Promise<Placed | Unpacking> {
  const { place, volume, reason } = decision
  const { directory, at } = place
  if (volume.kind !== 'held') throw new TypeError('a link needs a volume')
  try {
    const link = await linkPlace(at, volume.path)
    try {
      await requireVenvs(place, options.log.warn, options.signal)
    } catch (error) {
      await link.takeBack()
      throw error
    }
    if (link.aside !== undefined) options.log.warn(asideNote(directory, link.aside))
    return placed(directory, 'linked', { changed: link.changed, reason })
  } catch (error) {
    options.signal.throwIfAborted()
    const failure = asUserError(error, {
      code: 'restore/system',
      what: `could not link \`${at}\` to \`${volume.path}\``,
    })
    options.log.warn(`${directory}: ${failure.message}`)
    const next = decideWithoutVolume(decision, failure.message, options)
    return settleWithoutLink(next, failure, options)
  }
}

async function settleWithoutLink(
  decision: Decision,
  linkFailure: BerthError | undefined,
  options: PlacementOptions,
): Promise<Placed | Unpacking> {
  const { place, pod, choice, reason } = decision
  const { directory, at } = place
  if (choice === 'unpack') return { decision, linkFailure }
  if (choice === 'refuse') throw refusal(decision)
  if (linkFailure !== undefined) throw linkFailure
  if (choice === 'keep') {
    if (pod.kind === 'complete') await requireVenvs(place, options.log.warn, options.signal)
    else await warnOfBrokenVenvs(decision, options)
    return placed(directory, 'kept', { reason })
  }
  const isDangling = pod.kind === 'our-link'
  if (isDangling) await removeLink(at)
  return placed(directory, 'absent', { changed: isDangling, reason })
}

/** Unpacks from the store. A link of ours makes way, and is back when there was nothing to unpack. */
export async function unpack(
  { decision, linkFailure }: Unpacking,
  options: PlacementOptions & { existing: 'aside' | 'keep' | 'fail' },
): Promise<Placed> {
  const { place, pod, reason } = decision
  const { store, existing, signal, log, progress } = options
  if (store === undefined) throw new TypeError('unpacking needs a store')
  const { directory, at, archive } = place
  const putBack = pod.kind === 'our-link' ? await removeLink(at) : async () => {}
  const result = await restoreTree({
    store,
    name: archive,
    directory: at,
    existing,
    signal,
    onProgress: ({ done, total }) => progress({ done, total, unit: 'bytes', label: directory }),
    onNote: (level, text) => log[level](`${directory}: ${text}`),
  }).catch(async (error: unknown) => {
    await putBack()
    throw error
  })
  if (result.result === 'absent') {
    if (linkFailure !== undefined) throw linkFailure
    return settleAbsent(decision, putBack)
  }
  await requireVenvs(place, log.warn, signal)
  if (result.result === 'kept')
    return placed(directory, 'kept', { reason: 'it is whole on this disk' })
  if (result.aside !== undefined) log.warn(asideNote(directory, result.aside))
  const { bytes, files } = result
  return placed(directory, 'unpacked', {
    changed: true,
    reason: `${reason}; generation ${result.generation} of ${archive}`,
    bytes,
    files,
  })
}

async function settleAbsent(decision: Decision, putBack: () => Promise<void>): Promise<Placed> {
  const { place, pod } = decision
  const { directory, archive } = place
  const reason = `${decision.reason}, and the store has no archive ${archive}`
  if (pod.kind === 'our-link' && !pod.dangling) {
    await putBack()
    return placed(directory, 'kept', { reason })
  }
  if (pod.kind === 'unrecorded') return placed(directory, 'kept', { reason })
  return placed(directory, 'absent', { changed: pod.kind === 'our-link', reason })
}

/** A user's own directory is the user's business, but a boot that ends well should not hide it. */
async function warnOfBrokenVenvs(
  { place }: Decision,
  { log, signal }: PlacementOptions,
): Promise<void> {
  await requireVenvs(place, log.warn, signal).catch((error: unknown) => {
    signal.throwIfAborted()
    log.warn((error as Error).message)
  })
}

function refusal({ place, reason }: Decision): BerthError {
  return new BerthError('restore/occupied', `could not put \`${place.at}\` in place: ${reason}`, {
    hint: `move \`${place.at}\` away, or take \`${place.directory}\` out of \`directories\``,
  })
}

function asideNote(directory: string, aside: string): string {
  return `${directory}: what was there is now at ${aside}`
}

function placed(
  directory: string,
  outcome: Placed['outcome'],
  facts: Partial<Omit<Placed, 'directory' | 'outcome'>>,
): Placed {
  return { directory, outcome, changed: false, reason: '', bytes: 0, files: 0, ...facts }
}
