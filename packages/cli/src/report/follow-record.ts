import { readFileSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseRecord, recordFile } from './record-file.ts'
import type { RecordLine } from './record-line.ts'

/** How often it is looked for more. */
const lookMs = 200

/**
 * The lines that are added to the record of the running boot after `lines`, as they come, each once, whatever is left out of the record
 * meanwhile. Ends with the boot: by its last line, when another has begun, or when `isAlive` says no.
 */
export async function* followRecord(
  stateDirectory: string,
  text: string,
  isAlive: () => boolean,
): AsyncGenerator<RecordLine[]> {
  const file = recordFile(stateDirectory)
  const first = text.slice(0, text.indexOf('\n'))
  let seen = countLines(text)
  let [version, isOver] = ['', false]
  while (!isOver) {
    // Asked before the look, so that the last words of a supervisor are not missed.
    const isLast = !isAlive()
    const { ino, size, mtimeMs } = statSync(file)
    if (version !== `${ino} ${size} ${mtimeMs}`) {
      version = `${ino} ${size} ${mtimeMs}`
      const now = readFileSync(file, 'utf8')
      if (!now.startsWith(`${first}\n`)) return
      const counts = countLines(now)
      const added = parseRecord(addedLines(now, seen).join('\n'))
      seen = counts
      if (added.length > 0) yield added
      isOver = added.some(({ type }) => type === 'record:end')
    }
    if (isLast) return
    if (!isOver) await sleep(lookMs)
  }
}

/** Whole lines only: the last one may still be being written. */
function wholeLines(text: string): string[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1)
}

function countLines(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of wholeLines(text)) counts.set(line, (counts.get(line) ?? 0) + 1)
  return counts
}

function addedLines(text: string, seen: ReadonlyMap<string, number>): string[] {
  const left = new Map(seen)
  return wholeLines(text).filter((line) => {
    const count = left.get(line) ?? 0
    left.set(line, count - 1)
    return count <= 0
  })
}
