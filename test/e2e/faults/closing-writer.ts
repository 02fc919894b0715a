import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * An app that writes files into a folder until SIGTERM, or a big one, and logs each that it has closed without an error: name, size and
 * SHA-256. What could not be closed is logged as failed, and the next file is begun. Every second file is synced before, every fourth gets
 * its name when it is whole; one of these that the disk has no room for is removed.
 */
export interface WriterOrders {
  folder: string
  log: string
  name: string
  paceMs: number
  /** From so many to twice as many bytes. */
  bytes: number
  /** How many at most. */
  files: number
  /** Stays until SIGTERM when all are written. */
  lingers?: boolean
}

const { folder, log, name, paceMs, bytes, files, lingers } = JSON.parse(
  process.argv[2] ?? '{}',
) as WriterOrders
const chunk = randomBytes(Math.min(bytes, 1024 ** 2))
const lines = fs.openSync(log, 'a')
let isEnding = false
process.on('SIGTERM', () => (isEnding = true))

for (let n = 0; n < files && !isEnding; n += 1) {
  write(`${name}-${n}.bin`, n)
  await sleep(paceMs)
}
say({ end: true })
while (lingers && !isEnding) await sleep(50)

function write(file: string, n: number): void {
  const size = bytes + (files === 1 ? 0 : (n * 7919) % bytes)
  const isRenamed = n % 4 === 3
  const first = `${folder}/${file}${isRenamed ? '.tmp' : ''}`
  const hash = createHash('sha256')
  let open: number | undefined
  try {
    open = fs.openSync(first, 'wx')
    for (let at = 0; at < size; at += chunk.length) {
      chunk.writeUInt32LE(n, 0)
      chunk.writeUInt32LE(Math.floor(at / chunk.length), 4)
      const part = chunk.subarray(0, Math.min(chunk.length, size - at))
      hash.update(part)
      for (let done = 0; done < part.length;) done += fs.writeSync(open, part, done)
      if (size > 64 * 1024 ** 2 && at % (64 * 1024 ** 2) === 0) say({ progress: at })
    }
    if (n % 2 === 1) fs.fsyncSync(open)
    const closing = open
    open = undefined
    fs.closeSync(closing)
    if (isRenamed) fs.renameSync(first, `${folder}/${file}`)
    say({ name: file, bytes: size, sha256: hash.digest('hex') })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    say({ failed: file, code })
    if (open !== undefined) closeQuietly(open)
    if (isRenamed && code === 'ENOSPC') fs.rmSync(first, { force: true })
  }
}

function closeQuietly(file: number): void {
  try {
    fs.closeSync(file)
  } catch {
    // It has failed already.
  }
}

/** On the disk before anything else is done. */
function say(line: object): void {
  fs.writeSync(lines, `${JSON.stringify(line)}\n`)
  fs.fdatasyncSync(lines)
}
