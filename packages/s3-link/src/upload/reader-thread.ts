// A thread that reads whole files and hashes them: what takes the most processor time of a small file stays out of the loop that sends.
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { areEqual, factsOf, type FileFacts } from './file-facts.ts'

export interface ReadQuestion {
  id: number
  /** Bytes as text. */
  path: string
  /** What is larger is only looked at. */
  mostBytes: number
  wantsMd5: boolean
  /** They come back, to be filled again. */
  buffers: ArrayBuffer[]
}

export interface ReadAnswer {
  id: number
  /** `large`: more than was asked for. `changed`: it was written to while it was read. `gone`: it is no regular file. */
  result:
    | { facts: FileFacts; sha256: string; md5: string | undefined; buffer: ArrayBuffer }
    | 'large'
    | 'changed'
    | 'gone'
    | { code: string; message: string }
}

const MOST_KEPT = 8
const STEP_BYTES = 1024 * 1024
const GONE = ['ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO']

const kept: ArrayBuffer[] = []

parentPort?.on('message', (message: ReadQuestion) => {
  for (const buffer of message.buffers) if (kept.length < MOST_KEPT) kept.push(buffer)
  const result = answerTo(message)
  const moved = typeof result === 'object' && 'buffer' in result ? [result.buffer] : []
  parentPort?.postMessage({ id: message.id, result } satisfies ReadAnswer, moved)
})

function answerTo(question: ReadQuestion): ReadAnswer['result'] {
  let file
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    file = openSync(Buffer.from(question.path, 'latin1'), flags)
    return readWhole(file, question)
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    return GONE.includes(code) ? 'gone' : { code, message }
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function readWhole(file: number, { mostBytes, wantsMd5 }: ReadQuestion): ReadAnswer['result'] {
  const status = fstatSync(file, { bigint: true })
  if (!status.isFile()) return 'gone'
  const facts = factsOf(status)
  if (facts.size > mostBytes) return 'large'
  const buffer = bufferFor(facts.size)
  const body = new Uint8Array(buffer, 0, facts.size)
  for (let filled = 0; filled < body.length;) {
    const count = readSync(file, body, filled, body.length - filled, filled)
    if (count === 0) return 'changed'
    filled += count
  }
  const sha256 = createHash('sha256').update(body).digest('hex')
  const md5 = wantsMd5 ? createHash('md5').update(body).digest('hex') : undefined
  if (!areEqual(facts, factsOf(fstatSync(file, { bigint: true })))) return 'changed'
  return { facts, sha256, md5, buffer }
}

function bufferFor(bytes: number): ArrayBuffer {
  const at = kept.findIndex(({ byteLength }) => byteLength >= bytes)
  const [found] = at === -1 ? [] : kept.splice(at, 1)
  return found ?? new ArrayBuffer(Math.max(1, Math.ceil(bytes / STEP_BYTES)) * STEP_BYTES)
}
