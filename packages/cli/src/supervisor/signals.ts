/** Signals that end the pod. */
const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const

/** Signals that are main's: passed on, and never acted upon. */
const forwardedSignals = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const

export type StopSignal = (typeof stopSignals)[number]
export type ForwardedSignal = (typeof forwardedSignals)[number]

export interface ReceivedSignal {
  name: StopSignal | ForwardedSignal
  /** When it came, or a little before: a grace that is taken to begin too late ends in SIGKILL. */
  at: number
}

export function isStopSignal(name: NodeJS.Signals): name is StopSignal {
  return (stopSignals as readonly string[]).includes(name)
}

/** How closely it is watched when the process last looked for signals. */
const watchMs = 50

/**
 * Catches every signal from now on: before anything else happens, because SIGUSR1 would open Node's inspector, SIGHUP end the
 * process, and SIGTERM be lost on PID 1. What comes before `listen` is kept and delivered then. On a busy machine a start takes seconds in
 * which nothing is heard: until `calm` resolves, a signal counts as come when it was last seen that there was none.
 */
export function catchSignals(): {
  listen: (listener: (signal: ReceivedSignal) => void, calm?: Promise<void>) => void
} {
  const waiting: ReceivedSignal[] = []
  let deliver = (signal: ReceivedSignal): void => {
    waiting.push(signal)
  }
  // A late timer may run before the signal that came meanwhile is heard, so the turn before counts.
  let [before, last]: (number | undefined)[] = [Date.now(), Date.now()]
  const watch = setInterval(() => ([before, last] = [last, Date.now()]), watchMs).unref()
  for (const name of [...stopSignals, ...forwardedSignals]) {
    process.on(name, () => deliver({ name, at: before ?? Date.now() }))
  }
  return {
    listen: (listener, calm = Promise.resolve()) => {
      deliver = listener
      for (const signal of waiting.splice(0)) listener(signal)
      void calm.then(() => {
        clearInterval(watch)
        before = undefined
      })
    },
  }
}
