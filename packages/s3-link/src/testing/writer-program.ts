import { createHash, randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Writes files into a folder like an app, until it is told to end (SIGTERM), and logs each one that it has closed: its name and the SHA-256
 * of what is in it. Some are given their name when they are whole, some stay open for a while, and the folder is made when it is missing.
 */
const { folder, log, paceMs } = JSON.parse(process.argv[2] ?? '{}') as {
  folder: string
  log: string
  paceMs: number
}
const lines = openSync(log, 'a')
let isEnding = false
process.on('SIGTERM', () => (isEnding = true))
const open = new Set<Promise<void>>()

for (let n = 0; !isEnding; n++) {
  const writing = writeOne(n, n % 4).finally(() => open.delete(writing))
  open.add(writing)
  if (open.size > 5) await Promise.race(open)
  await sleep(paceMs)
}
await Promise.all(open)
closeSync(lines)

async function writeOne(n: number, kind: number): Promise<void> {
  const name = `${n % 3 === 0 ? 'sub/' : ''}w${process.pid}-${n}.bin`
  const path = `${folder}/${name}`
  const pieces = Array.from({ length: 3 }, () => randomBytes(1000 + (n % 50) * 400))
  try {
    mkdirSync(`${folder}/sub`, { recursive: true })
    const first = kind === 0 ? `${path}.tmp` : path
    const file = openSync(first, 'wx')
    for (const piece of pieces) {
      writeSync(file, piece)
      if (kind === 1) await sleep(150)
    }
    closeSync(file)
    if (kind === 0) renameSync(first, path)
  } catch (error) {
    // What could not be closed without an error is not promised to be anywhere.
    if (['ENOENT', 'EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return
    throw error
  }
  const sha256 = createHash('sha256').update(Buffer.concat(pieces)).digest('hex')
  writeSync(lines, `${JSON.stringify({ name, sha256 })}\n`)
  fsyncSync(lines)
}
