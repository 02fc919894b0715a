import { readFileSync } from 'node:fs'
import { BerthError } from '@berth/core/error'
import { readStat } from '../supervisor/process-table.ts'
import { stateDirectories } from '../supervisor/state-directory.ts'
import type { Life } from './life.ts'
import { keptBoots, parseRecord, recordFile } from './record-file.ts'
import { lifeIn } from './tell-life.ts'

/** A boot that left a record. */
export interface FoundLife {
  stateDirectory: string
  /** The record, as it is. */
  text: string
  life: Life
  /** Asks whether its supervisor is there. */
  isAlive: () => boolean
}

/** Where to look for a boot: `--state-dir` and the environment, as `berth boot` takes them; and which one, 0 being the last. */
export interface LifeQuestion {
  stateDirectory: string | undefined
  env: NodeJS.ProcessEnv
  boot?: number
}

/** Finds the record of a boot; makes nothing. Undefined where there is none. */
export function findLife({
  stateDirectory: option,
  env,
  boot = 0,
}: LifeQuestion): FoundLife | undefined {
  for (const stateDirectory of stateDirectories(option, env)) {
    if (readText(recordFile(stateDirectory)) === undefined) continue
    const text = readText(recordFile(stateDirectory, boot))
    const life = lifeIn(parseRecord(text ?? ''))
    if (text === undefined || life === undefined) return undefined
    return { stateDirectory, text, life, isAlive: () => isSupervisor(life) }
  }
  return undefined
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    // Another user's is none of ours.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(code)) return undefined
    throw error
  }
}

/** The same, and throws `cli/no-record` where there is none. */
export function requireLife(question: LifeQuestion): FoundLife {
  const found = findLife(question)
  if (found !== undefined) return found
  const where = stateDirectories(question.stateDirectory, question.env).join(', ')
  const { boot = 0 } = question
  throw new BerthError(
    'cli/no-record',
    boot === 0
      ? `there is no record of a boot in ${where}`
      : `there is no record of the boot ${boot} before the last in ${where}`,
    {
      hint:
        boot === 0
          ? 'name the state directory of the boot with `--state-dir` or BERTH_STATE_DIR'
          : `the last ${keptBoots} boots of a state directory are kept`,
    },
  )
}

/** The newest life before another that booted the same recipe. */
export function findEarlier({ recipe }: Life, question: Required<LifeQuestion>): Life | undefined {
  for (let boot = question.boot + 1; boot < keptBoots; boot += 1) {
    const life = findLife({ ...question, boot })?.life
    if (life?.boot !== undefined && life.recipe === recipe) return life
  }
  return undefined
}

/** Reads `--boot N`. Throws `cli/usage`. */
export function parseBoot(text: string | undefined): number {
  const boot = text === undefined ? 0 : Number(text)
  if (Number.isInteger(boot) && boot >= 0 && boot < keptBoots) return boot
  throw new BerthError('cli/usage', `\`--boot ${text}\` is no number from 0 to ${keptBoots - 1}`, {
    hint: 'leave it out for the last boot; `--boot 1` is the one before',
  })
}

function isSupervisor({ pid, startTime }: Life): boolean {
  const stat = readStat(pid)
  if (stat !== undefined) return stat.startTime === startTime && stat.state !== 'Z'
  // Without /proc the pid must do.
  return startTime === '' && isSignalled(pid)
}

function isSignalled(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}
