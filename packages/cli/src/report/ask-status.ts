import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineResult } from '@berth/core'
import { askBoot } from '../supervisor/control-client.ts'
import { owedLives, owedText } from '../supervisor/debts.ts'
import { readLife } from '../supervisor/life-file.ts'
import { stateDirectories } from '../supervisor/state-directory.ts'
import { findLife } from './find-life.ts'
import { noStatus, type Status, statusOf } from './status.ts'

/** A boot that is about to begin has a record in this time. */
const nextBootMs = 10_000

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
  if (found === undefined) return askWithoutRecord(question)
  const { life, stateDirectory } = found
  const isAlive = found.isAlive()
  const answer = isAlive ? await ask(stateDirectory) : undefined
  const deadline = answer?.deadline ?? undefined
  const status = statusOf(life, { isAlive, now: Date.now(), deadline })
  const left = isAlive ? undefined : whatIsLeft(stateDirectory, status)
  return {
    status: { ...status, ...(left === undefined ? {} : { left }), ...owedIn(stateDirectory) },
    answered: answer !== undefined,
  }
}

/** A boot that was refused has its record, and none of what the one before it left. */
function whatIsLeft(stateDirectory: string, { state, boot }: Status): Status['left'] {
  if (readLife(stateDirectory) === undefined) return undefined
  return state === 'ended' && boot === undefined ? 'an earlier boot' : 'this boot'
}

function owedIn(stateDirectory: string): Pick<Status, 'owed'> {
  const debts = owedLives(stateDirectory).filter(({ isDebt }) => isDebt)
  return debts.length === 0 ? {} : { owed: debts.map(owedText) }
}

/** A disk that is full has no record, and no probe may kill a pod for that. */
async function askWithoutRecord({ stateDirectory, env }: StatusQuestion): Promise<AskedStatus> {
  for (const directory of stateDirectories(stateDirectory, env)) {
    const answer = await ask(directory)
    if (answer !== undefined) return { status: statusFrom(answer), answered: true }
  }
  return { status: noStatus, answered: false }
}

function statusFrom(answer: SupervisorStatus): Status {
  const { recipe, pid, startedAt, boot, main, deadline } = answer
  const isUp = answer.phase === 'main' && boot !== null && main?.ready !== false
  const isGood = boot === 'ready' || boot === 'degraded' || main !== null
  const up = isGood ? (boot === 'ready' ? 'ready' : 'degraded') : 'failed'
  const isOver = deadline !== null || answer.phase === 'shutdown' || answer.phase === 'ended'
  const state = isOver ? 'stopping' : isUp ? up : 'booting'
  const ready = state === 'ready' || state === 'degraded'
  const durationMs = Date.now() - startedAt
  const over = boot === null ? {} : { boot: { result: boot, durationMs, ended: 0, steps: 0 } }
  return { ...noStatus, state, ready, recipe, pid, startedAt, durationMs, ...over }
}

/** What is waited for where no boot runs, and for how long. */
export interface AwaitedBoot {
  /** The boot that is over already; `undefined` where there was none. */
  last: Status | undefined
  /** Undefined: as long as it takes. */
  withinMs: number | undefined
}

/**
 * Asks until the state is settled: up, failed or ended. Undefined limit: as long as it takes. A boot that has not begun is waited for;
 * where there is one that is over already, for the next, at most 10 s without a limit. `say` is called at once in both cases.
 */
export async function awaitStatus(
  question: StatusQuestion,
  timeoutMs: number | undefined,
  say: (awaited: AwaitedBoot) => void,
): Promise<AskedStatus> {
  const begunAt = Date.now()
  const until = begunAt + (timeoutMs ?? Number.POSITIVE_INFINITY)
  const nextUntil = begunAt + (timeoutMs ?? nextBootMs)
  let earlier: number | undefined
  for (let isFirst = true; ; isFirst = false) {
    const asked = await askStatus(question)
    const { state, startedAt } = asked.status
    const isOver = state === 'ended' || state === 'lost'
    if (isFirst && isOver) {
      earlier = startedAt
      say({ last: asked.status, withinMs: timeoutMs ?? nextBootMs })
    } else if (isFirst && state === 'none') say({ last: undefined, withinMs: timeoutMs })
    const isEarlier = isOver && startedAt === earlier
    const isSettled = state !== 'booting' && state !== 'none' && !isEarlier
    const left = (isEarlier ? nextUntil : until) - Date.now()
    if (isSettled || left <= 0) return asked
    await sleep(Math.min(200, left))
  }
}

/** What a supervisor answers to `status`. */
interface SupervisorStatus {
  recipe: string
  pid: number
  phase: 'boot' | 'main' | 'shutdown' | 'ended'
  startedAt: number
  boot: PipelineResult | null
  main: { pid: number; ready: boolean | null } | null
  deadline: number | null
}

async function ask(stateDirectory: string): Promise<SupervisorStatus | undefined> {
  const asked = askBoot(stateDirectory, { verb: 'status' }).catch(() => undefined)
  const timer = sleep(answerMs, undefined, { ref: false })
  return (await Promise.race([asked, timer])) as SupervisorStatus | undefined
}
