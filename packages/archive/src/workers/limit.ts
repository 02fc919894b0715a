export type Limit = (<Result>(job: () => Promise<Result>) => Promise<Result>) & {
  stop: (reason: unknown) => void
}

/** Runs at most `count` jobs at once; after `stop` the waiting ones are refused. */
export function createLimit(count: number): Limit {
  const waiting: { start: () => void; refuse: (reason: unknown) => void }[] = []
  let running = 0
  const limit = async <Result>(job: () => Promise<Result>): Promise<Result> => {
    if (running >= count)
      await new Promise<void>((start, refuse) => waiting.push({ start, refuse }))
    else running++
    try {
      return await job()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next.start()
    }
  }
  return Object.assign(limit, {
    stop: (reason: unknown) => {
      for (const { refuse } of waiting.splice(0)) refuse(reason)
    },
  })
}
