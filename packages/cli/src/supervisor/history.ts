import { appendFile, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PipelineResult } from '@berth/core'

/** What earlier lives say about the next. Times are milliseconds since the epoch. */
export type HistoryLine = {
  time: number
  /** Which pod: several can share a volume. */
  pod: string
  recipe: string
} & (
  | { kind: 'boot'; result: PipelineResult; durationMs: number }
  | {
      kind: 'shutdown'
      result: PipelineResult
      /** Of the steps and the undo, without main's own end. */
      durationMs: number
      graceMs: number
      /** Someone was waiting to kill the container. */
      isHurried: boolean
    }
)

/** Beyond this the older half is forgotten. */
const mostBytes = 64 * 1024

/** Shutdowns before these say little about the next. */
const countedShutdowns = 10

export interface HistoryPlace {
  file: string
  /** It outlives a restart of the container: someone has said so. Of the state directory nobody knows. */
  isLasting: boolean
}

/**
 * Where the history lies: in `BERTH_HISTORY_DIR`, else in `.berth` on the pod volume (`NETWORK_VOLUME`) where that is a directory, else in the
 * state directory. Makes nothing.
 */
export async function historyPlace(
  env: Readonly<Record<string, string | undefined>>,
  stateDirectory: string,
): Promise<HistoryPlace> {
  const volume = env.NETWORK_VOLUME
  const onVolume = volume && (await isDirectory(volume)) ? join(volume, '.berth') : undefined
  const lasting = env.BERTH_HISTORY_DIR || onVolume
  return { file: join(lasting ?? stateDirectory, 'lives.jsonl'), isLasting: lasting !== undefined }
}

/** The lines that are whole, the oldest first; none where there is no history. */
export async function readHistory(file: string): Promise<HistoryLine[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as HistoryLine]
    } catch {
      return []
    }
  })
}

/** Adds a line. Throws what the system says: a volume that is full or gone must not end a pod. */
export async function addHistory(file: string, line: HistoryLine): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true })
  // In one write, so that lines of two pods never mix; and behind a line that a kill has torn.
  await appendFile(file, `\n${JSON.stringify(line)}\n`)
  if ((await stat(file)).size <= mostBytes) return
  const kept = await readHistory(file)
  const temporary = `${file}.${process.pid}.tmp`
  const later = kept.slice(kept.length / 2).map((each) => JSON.stringify(each))
  await writeFile(temporary, `${later.join('\n')}\n`)
  await rename(temporary, file)
}

/** How many boots of a pod have failed since then, without one in between that did not. */
export function failedBoots(lines: readonly HistoryLine[], pod: string, since: number): number {
  const boots = lines.filter((line) => line.kind === 'boot' && line.pod === pod)
  const lastGood = boots.findLastIndex(({ result }) => result !== 'failed')
  return boots.slice(lastGood + 1).filter(({ time }) => time >= since).length
}

/** The longest of the recipe's last shutdowns, and how many there were; `undefined` where none is known. */
export function slowestShutdown(
  lines: readonly HistoryLine[],
  recipe: string,
): { durationMs: number; of: number } | undefined {
  const shutdowns = lines
    .filter((line) => line.kind === 'shutdown' && line.recipe === recipe)
    .slice(-countedShutdowns)
  const longest = Math.max(...shutdowns.map(({ durationMs }) => durationMs))
  return shutdowns.length === 0 ? undefined : { durationMs: longest, of: shutdowns.length }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}
