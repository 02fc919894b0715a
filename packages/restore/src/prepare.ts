import { resolve } from 'node:path'
import { openStore, type ObjectStore, type Patience } from '@berth/object-store'
import type { PlanContext } from './check.ts'
import { listPlaces, type Place } from './inspect.ts'

/** Disposing of it closes the store. */
export interface Prepared extends AsyncDisposable {
  /** Absolute. */
  pod: string
  places: Place[]
  store: ObjectStore | undefined
  /** The same one, for a question that a boot can do without an answer to: whether the volume is behind it. */
  hastyStore: ObjectStore | undefined
}

// A pod whose volume has all it needs boots in a second, also where the store refuses connections.
const HASTE = { attemptsToReach: 2 }

/** Checks everything that can be wrong with the inputs before anything is touched. */
export async function prepare(context: PlanContext): Promise<Prepared> {
  const { inputs, env, workingDirectory, signal } = context
  const pod = resolve(workingDirectory, inputs.to)
  const volume = inputs.volume === '' ? undefined : resolve(workingDirectory, inputs.volume)
  const { archive, directories } = inputs
  const open = async (patience: Partial<Patience>): Promise<ObjectStore | undefined> =>
    inputs.store === '' ? undefined : openStore(inputs.store, { env, signal, patience })
  const [places, store, hastyStore] = await Promise.all([
    listPlaces({ pod, volume, archive, directories }),
    open({}),
    open(HASTE),
  ])
  const close = async (): Promise<void> => {
    await Promise.all([store?.close(), hastyStore?.close()])
  }
  return { pod, places, store, hastyStore, [Symbol.asyncDispose]: close }
}
