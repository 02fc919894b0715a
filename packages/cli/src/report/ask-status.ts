import { setTimeout as sleep } from 'node:timers/promises'
import { askBoot } from '../supervisor/control-client.ts'
import { findLife } from './find-life.ts'
import { noStatus, type Status, statusOf } from './status.ts'

/** A supervisor that takes longer to answer does not live as it should. */
const answerMs = 5000

export interface AskedStatus {
  status: Status
  /** The supervisor answered on its socket. */
  answered: boolean
}

/** What is asked for: where the state lies, as `berth boot` takes it. */
export interface StatusQuestion {
  stateDirectory: string | undefined
  env: NodeJS.ProcessEnv
}

/** How the container is: from the record of its boot and, while that runs, from its supervisor. */
export async function askStatus(question: StatusQuestion): Promise<AskedStatus> {
  const found = findLife(question)
  if (found === undefined) return { status: noStatus, answered: false }
  const { life, stateDirectory } = found
  const isAlive = found.isAlive()
  const answer = isAlive ? await ask(stateDirectory) : undefined
  const deadline = answer?.deadline ?? undefined
  const status = statusOf(life, { isAlive, now: Date.now(), deadline })
  return { status, answered: answer !== undefined }
}

/** Asks until the state is settled: up, failed or ended. Undefined limit: as long as it takes. A boot that has not begun is waited for. */
export async function awaitStatus(
  question: StatusQuestion,
  timeoutMs: number | undefined,
): Promise<AskedStatus> {
  const until = Date.now() + (timeoutMs ?? Number.POSITIVE_INFINITY)
  for (;;) {
    const asked = await askStatus(question)
    const isSettled = asked.status.state !== 'booting' && asked.status.state !== 'none'
    const left = until - Date.now()
    if (isSettled || left <= 0) return asked
    await sleep(Math.min(200, left))
  }
}

async function ask(stateDirectory: string): Promise<{ deadline: number | null } | undefined> {
  const asked = askBoot(stateDirectory, { verb: 'status' }).catch(() => undefined)
  const timer = sleep(answerMs, undefined, { ref: false })
  return (await Promise.race([asked, timer])) as { deadline: number | null } | undefined
}
