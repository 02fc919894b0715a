import { existsSync, renameSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RecordLine } from './record-line.ts'

/** How many boots of a state directory are remembered, the running one too. */
export const keptBoots = 5

/** The record of a boot: 0 is the one that runs or was the last, 1 the one before. */
export function recordFile(stateDirectory: string, boot = 0): string {
  return join(stateDirectory, boot === 0 ? 'events.jsonl' : `events.${boot}.jsonl`)
}

/** Whether a boot has left a record here; the newest may have been killed before it wrote any. */
export function hasRecord(stateDirectory: string): boolean {
  return [0, 1].some((boot) => existsSync(recordFile(stateDirectory, boot)))
}

/** Makes room for the record of a new boot: each takes the next number, the oldest is dropped. A kill in between loses at most that one. */
export function rotateRecords(stateDirectory: string): void {
  for (let boot = keptBoots - 1; boot > 0; boot -= 1) {
    try {
      renameSync(recordFile(stateDirectory, boot - 1), recordFile(stateDirectory, boot))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

/** Reads the record of a boot; `undefined` where there is none. A line that a kill cut off is left out. */
export async function readRecord(
  stateDirectory: string,
  boot = 0,
): Promise<RecordLine[] | undefined> {
  try {
    return parseRecord(await readFile(recordFile(stateDirectory, boot), 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export function parseRecord(text: string): RecordLine[] {
  return text.split('\n').flatMap(parseLine)
}

function parseLine(text: string): RecordLine[] {
  try {
    const line: unknown = JSON.parse(text)
    const isLine = typeof line === 'object' && line !== null && 'type' in line && 'time' in line
    return isLine ? [line as RecordLine] : []
  } catch {
    return []
  }
}
