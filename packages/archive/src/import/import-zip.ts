import { crc32, inflateRawSync } from 'node:zlib'
import type { Member, Stage } from './import-stage.ts'

const END_SIGNATURE = 0x06054b50
const ENTRY_SIGNATURE = 0x02014b50
const LOCAL_SIGNATURE = 0x04034b50
const END_BYTES = 22
const ENTRY_BYTES = 46
const LOCAL_BYTES = 30
const IN_ZIP64 = 0xffffffff
const TYPE_MASK = 0o170000
const LINK_TYPE = 0o120000

/** Unpacks a zip (PKWARE's APPNOTE 6.3, without zip64 and encryption) into a stage, checking every sum. */
export function unpackZip(bytes: Buffer, stage: Stage): void {
  for (const entry of readEntries(bytes)) {
    // What `zip` writes when it is given nothing.
    if (entry.path === '-') continue
    if (entry.path.endsWith('/')) {
      stage.directory(entry)
      continue
    }
    const content = readContent(bytes, entry)
    if ((entry.unixMode & TYPE_MASK) === LINK_TYPE) stage.link(entry, content.toString('utf8'))
    else {
      const file = stage.file(entry)
      file.write(content)
      file.end()
    }
  }
}

interface ZipEntry extends Member {
  unixMode: number
  method: number
  crc: number
  storedSize: number
  size: number
  offset: number
}

function* readEntries(bytes: Buffer): Generator<ZipEntry> {
  const end = bytes.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (end < 0 || end + END_BYTES > bytes.length || bytes.readUInt32LE(end) !== END_SIGNATURE)
    throw new Error('it has no end of a zip')
  const count = bytes.readUInt16LE(end + 10)
  let at = bytes.readUInt32LE(end + 16)
  if (at === IN_ZIP64 || count === 0xffff) throw new Error('it is a zip64, which is not read')
  for (let index = 0; index < count; index++) {
    if (bytes.readUInt32LE(at) !== ENTRY_SIGNATURE) throw new Error('its directory is damaged')
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((place) =>
      bytes.readUInt16LE(at + place),
    ) as [number, number, number]
    const name = bytes.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + nameLength)
    const extra = bytes.subarray(
      at + ENTRY_BYTES + nameLength,
      at + ENTRY_BYTES + nameLength + extraLength,
    )
    if ((bytes.readUInt16LE(at + 8) & 1) === 1) throw new Error('it is encrypted')
    const path = name.toString('utf8')
    const unixMode = bytes.readUInt32LE(at + 38) >>> 16
    yield {
      path,
      unixMode,
      mode: unixMode === 0 ? (path.endsWith('/') ? 0o755 : 0o644) : unixMode & 0o7777,
      mtimeMs: readTime(extra) ?? dosTime(bytes.readUInt16LE(at + 14), bytes.readUInt16LE(at + 12)),
      method: bytes.readUInt16LE(at + 10),
      crc: bytes.readUInt32LE(at + 16),
      storedSize: bytes.readUInt32LE(at + 20),
      size: bytes.readUInt32LE(at + 24),
      offset: bytes.readUInt32LE(at + 42),
    }
    at += ENTRY_BYTES + nameLength + extraLength + commentLength
  }
}

/** Info-ZIP's extended timestamp: seconds since the epoch. */
function readTime(extra: Buffer): number | undefined {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    const isTime = extra.readUInt16LE(at) === 0x5455 && extra.readUInt16LE(at + 2) >= 5
    if (isTime && ((extra[at + 4] ?? 0) & 1) === 1) return extra.readInt32LE(at + 5) * 1000
  }
  return undefined
}

/** In the local time of whoever made it, which nobody knows: taken as UTC. */
function dosTime(date: number, time: number): number {
  return Date.UTC(
    1980 + (date >> 9),
    ((date >> 5) & 15) - 1,
    date & 31,
    time >> 11,
    (time >> 5) & 63,
    (time & 31) * 2,
  )
}

function readContent(bytes: Buffer, entry: ZipEntry): Buffer {
  const { offset, storedSize, size, method } = entry
  if (bytes.readUInt32LE(offset) !== LOCAL_SIGNATURE) throw new Error('its directory is damaged')
  const start =
    offset + LOCAL_BYTES + bytes.readUInt16LE(offset + 26) + bytes.readUInt16LE(offset + 28)
  const stored = bytes.subarray(start, start + storedSize)
  if (method !== 0 && method !== 8)
    throw new Error(`\`${entry.path}\` is compressed by the method ${method}, which is not read`)
  const content = method === 0 ? stored : inflateRawSync(stored, { maxOutputLength: size + 1 })
  if (content.length !== size || crc32(content) !== entry.crc)
    throw new Error(`\`${entry.path}\` is damaged`)
  return content
}
