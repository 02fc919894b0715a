/** What is known of a link from what was sent over it. */
export interface LinkRate {
  /** Bytes in a millisecond; `undefined` as long as nothing of some size has arrived. */
  measured(): number | undefined
  start(bytes: number): Sending
}

/** Something that is on its way. */
export interface Sending {
  /** Bytes that are still to be carried, as far as that is known. */
  left(): number
  arrived(): void
  /** To be called last, also after `arrived`. */
  end(): void
}

// What is smaller tells the latency, and nothing of the rate.
const MEASURED_BYTES = 256 * 1024
const SAMPLES = 8

/**
 * What is sent at the same time is taken to share the link evenly: so the part of it that each had tells the rate of the whole also
 * while others are on their way.
 */
export function createLinkRate(clock: () => number): LinkRate {
  const samples: { bytes: number; share: number }[] = []
  let sending = 0
  let share = 0
  let sharedAt = clock()

  /** The time that has passed, divided by the number among which it was. */
  const passShare = (): number => {
    const time = clock()
    share += (time - sharedAt) / Math.max(1, sending)
    sharedAt = time
    return share
  }
  const measured = (): number | undefined => {
    if (samples.length === 0) return undefined
    const total = (of: 'bytes' | 'share') => samples.reduce((sum, sample) => sum + sample[of], 0)
    return total('bytes') / Math.max(1, total('share'))
  }

  return {
    measured,
    start(bytes) {
      const begin = passShare()
      sending++
      return {
        left: () => Math.max(0, bytes - (measured() ?? 0) * (passShare() - begin)),
        arrived() {
          if (bytes < MEASURED_BYTES) return
          samples.push({ bytes, share: passShare() - begin })
          if (samples.length > SAMPLES) samples.shift()
        },
        end() {
          passShare()
          sending--
        },
      }
    },
  }
}
