import { latestGeneration } from '@berth/archive'
import type { ObjectStore } from '@berth/object-store'
import {
  chooseSource,
  type Existing,
  type PodState,
  type SourceChoice,
  type StoreState,
  type VolumeState,
} from './choose-source.ts'
import { inspectPod, inspectVolume, type Place } from './inspect.ts'
import type { Links } from './link.ts'

/** What was found out about one directory, and what follows from it. */
export interface Decision extends SourceChoice {
  place: Place
  pod: PodState
  volume: VolumeState
  store: StoreState
  /** Why the store gave no answer. */
  unreachable: string | undefined
}

export interface DecisionOptions {
  links: Links
  store: ObjectStore | undefined
  /** The same one, which gives up sooner. */
  hastyStore: ObjectStore | undefined
  existing: Existing
  signal: AbortSignal
}

// A store that doesn't answer must not keep a pod from the volume that it has.
const STORE_PATIENCE_MS = 3_000

/** Looks at the disk, the volume and, where it matters, the store; writes nothing. */
export async function decide(place: Place, options: DecisionOptions): Promise<Decision> {
  const [pod, volume] = await Promise.all([inspectPod(place, options.links), inspectVolume(place)])
  const asks = volume.kind === 'held' && volume.generation !== undefined && pod.kind !== 'complete'
  const answer = asks ? await askStore(place.archive, options) : unasked(options)
  const choice = chooseSource({ pod, volume, store: answer.store, existing: options.existing })
  return { place, pod, volume, ...answer, ...choice }
}

/** Decides again without the volume. */
export function decideWithoutVolume(
  decision: Decision,
  reason: string,
  options: DecisionOptions,
): Decision {
  const volume: VolumeState = { kind: 'unusable', reason }
  const { pod } = decision
  const store = options.store === undefined ? 'none' : 'unasked'
  const choice = chooseSource({ pod, volume, store, existing: options.existing })
  return { ...decision, volume, store, ...choice }
}

type StoreAnswer = Pick<Decision, 'store' | 'unreachable'>

function unasked({ store }: DecisionOptions): StoreAnswer {
  return { store: store === undefined ? 'none' : 'unasked', unreachable: undefined }
}

/** The newest generation, so that a volume that is behind is told from one that isn't. */
export async function askStore(archive: string, options: DecisionOptions): Promise<StoreAnswer> {
  const { hastyStore, signal } = options
  if (hastyStore === undefined) return { store: 'none', unreachable: undefined }
  const patience = AbortSignal.timeout(STORE_PATIENCE_MS)
  try {
    const generation = await latestGeneration(hastyStore, archive, {
      signal: AbortSignal.any([signal, patience]),
    })
    return { store: generation ?? 'none', unreachable: undefined }
  } catch (error) {
    signal.throwIfAborted()
    const unreachable = patience.aborted
      ? `no answer within ${STORE_PATIENCE_MS / 1000} s`
      : (error as Error).message
    return { store: 'unreachable', unreachable }
  }
}
