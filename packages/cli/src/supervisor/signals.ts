/** Signals that end the pod. */
const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const

/** Signals that are main's: passed on, and never acted upon. */
const forwardedSignals = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const

export type StopSignal = (typeof stopSignals)[number]
export type ForwardedSignal = (typeof forwardedSignals)[number]

export interface ReceivedSignal {
  name: StopSignal | ForwardedSignal
  at: number
}

export function isStopSignal(name: NodeJS.Signals): name is StopSignal {
  return (stopSignals as readonly string[]).includes(name)
}

/**
 * Catches every signal from now on: before anything else happens, because SIGUSR1 would open Node's inspector, SIGHUP end the
 * process, and SIGTERM be lost on PID 1. What comes before `listen` is kept and delivered then.
 */
export function catchSignals(): { listen: (listener: (signal: ReceivedSignal) => void) => void } {
  const waiting: ReceivedSignal[] = []
  let deliver = (signal: ReceivedSignal): void => {
    waiting.push(signal)
  }
  for (const name of [...stopSignals, ...forwardedSignals]) {
    process.on(name, () => deliver({ name, at: Date.now() }))
  }
  return {
    listen: (listener) => {
      deliver = listener
      for (const signal of waiting.splice(0)) listener(signal)
    },
  }
}
