import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isBerthError } from '@berth/core/error'
import { readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import type { LinkStatus } from './link-status.ts'

/** Room that is taken ahead, so that a longer status has it when the disk is full. */
const leastBytes = 4096
const rereadMs = 5

/**
 * Writes a status for all who read it, whole or not at all. On a full disk, which is when one wants to know, it is written over the one that is
 * there: who reads at that moment reads again.
 */
export async function writeStatusFile(path: string, status: LinkStatus): Promise<void> {
  const text = `${JSON.stringify(status)}\n`.padStart(leastBytes)
  try {
    await writeFileAtomic(path, text, { mode: 0o600, directoryMode: 0o711 })
  } catch (error) {
    if (!isBerthError(error, 'filesystem/no-room')) throw error
    await using file = await open(path, 'r+')
    const { size } = await file.stat()
    await file.write(text.padStart(size), 0)
  }
}

/** The last status; undefined where there is none. */
export async function readStatusFile(path: string): Promise<LinkStatus | undefined> {
  for (let tries = 0; ; tries += 1) {
    const data = await readFileIfPresent(path)
    if (data === undefined) return undefined
    try {
      return JSON.parse(data.toString()) as LinkStatus
    } catch (error) {
      if (tries >= 3) throw error
      await sleep(rereadMs)
    }
  }
}
