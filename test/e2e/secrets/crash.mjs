// Through NODE_OPTIONS: a bug that throws a secret, in the supervisor or in a pipeline, once a step has begun.
import { existsSync, rmSync } from 'node:fs'

const { CRASH, CRASH_WHEN = '', HF_TOKEN, ODD_SECRET } = process.env
if (CRASH !== undefined && process.argv[1]?.endsWith(CRASH)) {
  const waiting = setInterval(() => {
    if (!existsSync(CRASH_WHEN)) return
    clearInterval(waiting)
    rmSync(CRASH_WHEN)
    throw new Error(`a bug met ${HF_TOKEN} and ${ODD_SECRET}`)
  }, 20)
  waiting.unref()
}
