import type { ObjectStore } from '@berth/object-store'
import { type LinkRate, type Sending, createLinkRate } from './link-rate.ts'
import type { Cut } from './save-cut.ts'

/** Decides before a deadline what may still begin: what is half sent when the time is over is lost, and has held up the rest. */
export interface UploadPace {
  /** Waits for its turn, the smallest first; answers `undefined` when so much can't arrive in time any more. */
  begin(wanted: WantedUpload): Promise<PacedUpload | undefined>
}

export interface WantedUpload {
  /** Before it is compressed. */
  rawBytes: number
  /** When it must have arrived, and what ends the wait. */
  cut: Pick<Cut, 'at' | 'signal'>
}

export interface PacedUpload extends Disposable {
  /** So many bytes are on their way from now on. */
  sends(bytes: number): void
  /** They are there. What is disposed without this has failed, or was in the store already. */
  arrived(): void
}

// What costs hardly more than its latency waits for nothing: settings are not to stand behind a model.
const SMALL_BYTES = 256 * 1024
// So much under way keeps any link busy, and leaves little to wait for.
const UNDER_WAY_MS = 1000
// Rates vary.
const CAUTION = 1.1

interface Waiting extends WantedUpload {
  start: (upload: PacedUpload | undefined) => void
}

interface Active {
  rawBytes: number
  /** From the moment on at which it is compressed. */
  sending: Sending | undefined
}

const paces = new WeakMap<ObjectStore, UploadPace>()

/**
 * Waits until so much of a save may begin. All saves to an opened store share its link, and what is known of it. When not even the
 * smallest can arrive before the cut, the cut comes, and its reason is thrown.
 */
export async function waitForPace(
  store: ObjectStore,
  cut: Cut | undefined,
  rawBytes: number,
): Promise<PacedUpload | undefined> {
  if (cut === undefined) return undefined
  const pace = paces.get(store) ?? createUploadPace()
  paces.set(store, pace)
  const paced = await pace.begin({ rawBytes, cut })
  if (paced !== undefined) return paced
  cut.end()
  throw cut.signal.reason
}

/** `clock` measures; `now` is what the cut is compared with. */
export function createUploadPace(
  clock: () => number = () => performance.now(),
  now: () => number = Date.now,
): UploadPace {
  const link = createLinkRate(clock)
  const waiting: Waiting[] = []
  const active = new Set<Active>()
  const estimate = createEstimate()

  function pump(): void {
    for (const next of waiting.toSorted((a, b) => a.rawBytes - b.rawBytes)) {
      const verdict = judge(next, { link, active, expected: estimate.of, now })
      if (verdict === 'wait') return
      waiting.splice(waiting.indexOf(next), 1)
      next.start(verdict === 'go' ? startUpload(next) : undefined)
    }
  }

  function startUpload({ rawBytes }: WantedUpload): PacedUpload {
    const upload: Active = { rawBytes, sending: undefined }
    active.add(upload)
    return {
      sends(bytes) {
        upload.sending = link.start(bytes)
        estimate.add(rawBytes, bytes)
      },
      arrived: () => upload.sending?.arrived(),
      [Symbol.dispose]() {
        upload.sending?.end()
        active.delete(upload)
        pump()
      },
    }
  }

  return {
    begin: (wanted) =>
      new Promise((resolve, reject) => {
        const { signal } = wanted.cut
        const stop = (): void => {
          waiting.splice(waiting.indexOf(entry), 1)
          reject(signal.reason as Error)
        }
        const entry: Waiting = {
          ...wanted,
          start(upload) {
            signal.removeEventListener('abort', stop)
            resolve(upload)
          },
        }
        if (signal.aborted) return reject(signal.reason as Error)
        signal.addEventListener('abort', stop, { once: true })
        waiting.push(entry)
        pump()
      }),
  }
}

interface Surroundings {
  link: LinkRate
  active: ReadonlySet<Active>
  /** What becomes of so many bytes when they are compressed. */
  expected: (rawBytes: number) => number
  now: () => number
}

function judge(
  { rawBytes, cut }: WantedUpload,
  { link, active, expected, now }: Surroundings,
): 'go' | 'wait' | 'never' {
  const isSmall = rawBytes <= SMALL_BYTES
  const rate = link.measured()
  // One object of some size tells soonest how fast the link is.
  if (rate === undefined)
    return isSmall || [...active].every((upload) => upload.rawBytes <= SMALL_BYTES) ? 'go' : 'wait'
  const before = [...active].reduce(
    (sum, upload) => sum + (upload.sending?.left() ?? expected(upload.rawBytes)),
    0,
  )
  const bytes = before + expected(rawBytes)
  if (now() + (bytes / rate) * CAUTION > cut.at) return active.size === 0 ? 'never' : 'wait'
  return isSmall || active.size < 2 || bytes <= rate * UNDER_WAY_MS ? 'go' : 'wait'
}

/** What is compressed next is taken to shrink as all that came before it. */
function createEstimate() {
  let raw = 0
  let stored = 0
  return {
    add(rawBytes: number, bytes: number): void {
      raw += rawBytes
      stored += bytes
    },
    of: (rawBytes: number): number => (raw === 0 ? rawBytes : rawBytes * Math.min(1, stored / raw)),
  }
}
