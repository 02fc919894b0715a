/** What lies at the pod's own path, found out without following a link. */
export type PodState =
  | { kind: 'absent' | 'empty' | 'file' }
  /** A real directory that Berth restored or saved on this disk, whole. */
  | { kind: 'complete' }
  /** A real, non-empty directory that Berth knows nothing whole about. */
  | { kind: 'unrecorded' }
  | { kind: 'our-link' | 'foreign-link'; target: string; dangling: boolean }

/** What the network volume holds for one directory. */
export type VolumeState =
  | { kind: 'none' }
  /** Why the volume is no source here: said as a warning for all but `absent` and `empty`. */
  | { kind: 'absent' | 'empty' | 'half-made' | 'ignored' | 'unusable'; reason: string }
  /** Non-empty and whole. `generation` is absent where nothing on the volume says which one it is. */
  | { kind: 'held'; path: string; generation?: number }

/** `none`: no store, or no such archive in it. `unasked`: only unpacking will tell. `unreachable`: asked, without an answer. */
export type StoreState = number | 'none' | 'unasked' | 'unreachable'

export type Existing = 'aside' | 'keep' | 'fail'

export interface SourceQuestion {
  pod: PodState
  volume: VolumeState
  store: StoreState
  existing: Existing
}

/** `link` and `unpack` may still find the place taken by what `existing` says how to treat. */
export interface SourceChoice {
  choice: 'keep' | 'link' | 'unpack' | 'refuse' | 'nothing'
  reason: string
}

/**
 * Decides where one directory comes from: kept, linked, unpacked or nowhere (in this order), or not at all. Pure: everything about
 * the disk, the volume and the store was found out before.
 */
export function chooseSource({ pod, volume, store, existing }: SourceQuestion): SourceChoice {
  if (pod.kind === 'complete') return keep('it is whole on this disk')
  if (pod.kind === 'file') return refuse('it is a file, not a directory')
  if (pod.kind === 'foreign-link') return chooseForForeignLink(pod, existing)
  const source = chooseBetweenVolumeAndStore(volume, store)
  if (pod.kind === 'our-link' && source.choice === 'nothing' && !pod.dangling) {
    return keep(`its link to ${pod.target} works, and there is nothing else`)
  }
  if (pod.kind !== 'unrecorded') return source
  if (source.choice === 'nothing') return keep('there is nothing to put in its place')
  if (existing === 'keep') return keep('it exists, and `existing` is `keep`')
  // Whether the store has anything to put here, only unpacking can tell, and it refuses by itself.
  if (existing === 'fail' && source.choice === 'link') {
    return refuse('it is not empty and not from Berth, and `existing` is `fail`')
  }
  return source
}

function chooseBetweenVolumeAndStore(volume: VolumeState, store: StoreState): SourceChoice {
  const mayUnpack = store !== 'none'
  if (volume.kind !== 'held') {
    const reason = volume.kind === 'none' ? 'there is no network volume' : volume.reason
    return mayUnpack ? { choice: 'unpack', reason } : { choice: 'nothing', reason }
  }
  if (isBehind(volume.generation, store)) {
    const reason = `the volume holds generation ${volume.generation}, the store ${store}`
    return { choice: 'unpack', reason }
  }
  return { choice: 'link', reason: `the volume holds it` }
}

function isBehind(generation: number | undefined, store: StoreState): boolean {
  return generation !== undefined && typeof store === 'number' && store > generation
}

function chooseForForeignLink(
  pod: Extract<PodState, { target: string }>,
  existing: Existing,
): SourceChoice {
  const what = `it is a link to ${pod.target} that Berth did not make`
  if (pod.dangling) return refuse(`${what}, and nothing is there`)
  return existing === 'fail' ? refuse(`${what}, and \`existing\` is \`fail\``) : keep(what)
}

function keep(reason: string): SourceChoice {
  return { choice: 'keep', reason }
}

function refuse(reason: string): SourceChoice {
  return { choice: 'refuse', reason }
}
