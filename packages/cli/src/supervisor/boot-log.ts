import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
} from 'node:fs'
import { rename, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** A log that grew to this is put aside, and begins anew. */
const mostBytes = 4 * 1024 * 1024

const lookMs = 2000

/** What a detached boot, and its main, print: of the last one, and of this one before it was put aside. */
export function bootLogFile(stateDirectory: string, isAside = false): string {
  return join(stateDirectory, isAside ? 'boot.log.1' : 'boot.log')
}

/** Opens the log of a new boot, and hands it to `use`; the last boot's is put aside. All who write to it append. */
export function withBootLog<Result>(
  stateDirectory: string,
  use: (descriptor: number) => Result,
): Result {
  const file = bootLogFile(stateDirectory)
  try {
    renameSync(file, bootLogFile(stateDirectory, true))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const descriptor = openSync(file, 'a', 0o600)
  try {
    return use(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** The last lines of the log. */
export function lastOfBootLog(stateDirectory: string, lines: number): string[] {
  const text = readFileSync(bootLogFile(stateDirectory), 'utf8').trimEnd()
  return text.split('\n').slice(-lines)
}

/**
 * While this process prints to the log of a detached boot, keeps that small: what is older than `boot.log.1` is gone. Returns how to stop.
 * Does nothing where the output goes elsewhere.
 */
export function keepBootLogSmall(stateDirectory: string): () => void {
  if (!isOurOutput(bootLogFile(stateDirectory))) return () => {}
  let isCutting = false
  const timer = setInterval(() => {
    if (isCutting) return
    isCutting = true
    // A disk that is full costs old lines of a log, and no pod.
    void cutBootLog(stateDirectory, mostBytes)
      .catch(() => {})
      .finally(() => (isCutting = false))
  }, lookMs).unref()
  return () => clearInterval(timer)
}

/**
 * Puts a log that is larger than `most` bytes aside, without what is older than those, and empties it for those who append to it: main's own
 * descriptor can't be turned to another file. What is printed just between the two is lost; a kill in between loses nothing.
 */
export async function cutBootLog(stateDirectory: string, most: number): Promise<void> {
  const file = bootLogFile(stateDirectory)
  const { size } = await stat(file)
  if (size <= most) return
  const aside = bootLogFile(stateDirectory, true)
  // Who prints without end must not be read without end.
  const source = createReadStream(file, { start: size - most, end: size + most })
  await pipeline(source, createWriteStream(`${aside}.tmp`, { mode: 0o600 }))
  await rename(`${aside}.tmp`, aside)
  await truncate(file)
}

function isOurOutput(file: string): boolean {
  try {
    const [ours, log] = [fstatSync(1), statSync(file)]
    return ours.isFile() && ours.ino === log.ino && ours.dev === log.dev
  } catch {
    return false
  }
}
