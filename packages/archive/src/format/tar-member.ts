// Not all of the package, which takes a thread longer to load than its first chunk to make.
import { Header } from 'tar/header'
import { Pax } from 'tar/pax'
import { hasPlainNumbers, isPlainPath, writePlainHeader } from './tar-header.ts'
import { TAR_BLOCK, tarPadding } from './tar-layout.ts'
import { type FileEntry, hasRawBytes, toBytes } from './tree.ts'

/** Two zero blocks end an archive. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK)

/** What stands before a member's content: one header block, or more when the name or a number doesn't fit into one. */
export function tarHeader(file: FileEntry): Buffer {
  const block = Buffer.alloc(TAR_BLOCK)
  return writePlainHeader(file, block) ? block : unusualHeader(file)
}

/** Writes a member's header to the beginning of the buffer, which has the room; answers its length. */
export function writeTarHeader(file: FileEntry, into: Buffer): number {
  if (writePlainHeader(file, into)) return TAR_BLOCK
  const header = unusualHeader(file)
  header.copy(into)
  return header.length
}

/** The length of a member's header, which does not depend on the size of an ordinary file. */
export function tarHeaderLength(file: FileEntry): number {
  return isPlainPath(file.path) && hasPlainNumbers(file) ? TAR_BLOCK : unusualHeader(file).length
}

function unusualHeader(file: FileEntry): Buffer {
  if (hasRawBytes(file.path)) return rawHeader(file)
  const fields = headerFields(file)
  const block = Buffer.alloc(TAR_BLOCK)
  const header = new Header(fields)
  if (!header.encode(block, 0)) return block
  const extended = new Pax({ path: file.path, size: file.size, mtime: fields.mtime }).encode()
  // The plain header keeps a shortened name: readers that know pax ignore it.
  return Buffer.concat([extended, block])
}

function headerFields(file: FileEntry) {
  return {
    path: file.path,
    mode: file.mode,
    uid: file.uid,
    gid: file.gid,
    size: file.size,
    mtime: new Date(Math.floor(file.mtime / 1e6) * 1000),
    type: 'File' as const,
  }
}

/** Names that aren't UTF-8 go in as their bytes: in the name field, or as GNU tar's long name (type `L`) when they don't fit. */
function rawHeader(file: FileEntry): Buffer {
  const name = toBytes(file.path)
  const own = plainBlock({ ...headerFields(file), path: 'x' }, name.subarray(0, 100))
  if (name.length <= 100) return own
  const body = Buffer.concat([name, Buffer.alloc(1)])
  const long = plainBlock(
    { ...headerFields(file), path: 'x', size: body.length },
    Buffer.from('././@LongLink'),
  )
  long.write('L', 156)
  writeChecksum(long)
  return Buffer.concat([long, body, Buffer.alloc(tarPadding(body.length)), own])
}

function plainBlock(fields: ReturnType<typeof headerFields>, name: Buffer): Buffer {
  const block = Buffer.alloc(TAR_BLOCK)
  new Header(fields).encode(block, 0)
  block.fill(0, 0, 100)
  name.copy(block, 0)
  writeChecksum(block)
  return block
}

/** The sum of the header's bytes with the checksum field as spaces, in six octal digits (POSIX.1-1988). */
function writeChecksum(block: Buffer): void {
  block.fill(' ', 148, 156)
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
}
