import * as fs from 'node:fs'

// From elf(5), 64 bits, little end first: offsets in the file's header and in a program header, and the types of the latter.
const EHDR = { type: 0x10, phoff: 0x20, phentsize: 0x36, phnum: 0x38 }
const PHDR = {
  type: 0,
  flags: 4,
  offset: 8,
  vaddr: 16,
  paddr: 24,
  filesz: 32,
  memsz: 40,
  align: 48,
}
const ET_EXEC = 2
const PT = { load: 1, note: 4, phdr: 6 }
const PF_R = 4
const PAGE = 0x10000

const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'
const NOTE = 'NODE_SEA_BLOB'

/**
 * Puts a blob into a Node executable where it looks for one: in a note that is mapped with it (nodejs.org/api/single-executable-applications),
 * and turns its fuse. The header that only says where the headers lie makes place for the mapping, the note of the build for the blob's.
 * Throws for what is not an ELF executable of fixed addresses with both.
 */
export function injectBlob(executable: Buffer, blob: Buffer): Buffer {
  const headers = readHeaders(executable)
  const loads = headers.filter((header) => typeOf(header) === PT.load)
  const note = headers.find((header) => typeOf(header) === PT.note)
  const own = headers.find((header) => typeOf(header) === PT.phdr)
  if (executable.readUInt16LE(EHDR.type) !== ET_EXEC || note === undefined || own === undefined)
    throw new Error('this Node is not an executable of fixed addresses with a note')
  const content = noteOf(blob)
  const offset = roundUp(executable.length)
  const top = Math.max(
    ...loads.map((header) => valueOf(header, 'vaddr') + valueOf(header, 'memsz')),
  )
  const segment = { offset, address: roundUp(top), size: content.length }
  const load = segmentHeader(PT.load, PAGE, segment)
  const last = headers.indexOf(loads.at(-1) as Buffer)
  // Mappings must stand in the order of their addresses.
  const placed = headers.flatMap((header, index) => {
    if (header === own) return []
    if (header === note) return [segmentHeader(PT.note, 4, segment)]
    return index === last ? [header, load] : [header]
  })
  const result = Buffer.concat([executable, Buffer.alloc(offset - executable.length), content])
  Buffer.concat(placed).copy(result, Number(executable.readBigUInt64LE(EHDR.phoff)))
  turnFuse(result)
  return result
}

/** Writes an executable file whole or not at all. */
export function writeExecutable(file: string, content: Buffer): void {
  fs.writeFileSync(`${file}.new`, content, { mode: 0o755 })
  fs.renameSync(`${file}.new`, file)
}

function readHeaders(executable: Buffer): Buffer[] {
  const start = Number(executable.readBigUInt64LE(EHDR.phoff))
  const size = executable.readUInt16LE(EHDR.phentsize)
  return Array.from({ length: executable.readUInt16LE(EHDR.phnum) }, (_, index) =>
    Buffer.from(executable.subarray(start + index * size, start + (index + 1) * size)),
  )
}

function typeOf(header: Buffer): number {
  return header.readUInt32LE(PHDR.type)
}

function valueOf(header: Buffer, field: 'vaddr' | 'memsz'): number {
  return Number(header.readBigUInt64LE(PHDR[field]))
}

function segmentHeader(
  type: number,
  align: number,
  { offset, address, size }: { offset: number; address: number; size: number },
): Buffer {
  const header = Buffer.alloc(56)
  header.writeUInt32LE(type, PHDR.type)
  header.writeUInt32LE(PF_R, PHDR.flags)
  for (const [field, value] of [
    ['offset', offset],
    ['vaddr', address],
    ['paddr', address],
    ['filesz', size],
    ['memsz', size],
    ['align', align],
  ] as const)
    header.writeBigUInt64LE(BigInt(value), PHDR[field])
  return header
}

function noteOf(blob: Buffer): Buffer {
  const name = Buffer.alloc(roundUp(NOTE.length + 1, 4))
  name.write(NOTE)
  const head = Buffer.alloc(12)
  head.writeUInt32LE(NOTE.length + 1, 0)
  head.writeUInt32LE(blob.length, 4)
  return Buffer.concat([head, name, blob, Buffer.alloc(roundUp(blob.length, 4) - blob.length)])
}

function turnFuse(executable: Buffer): void {
  const at = executable.indexOf(`${FUSE}:0`)
  if (at === -1) throw new Error('this Node has no fuse for an application')
  executable.write('1', at + FUSE.length + 1)
}

function roundUp(value: number, to = PAGE): number {
  return Math.ceil(value / to) * to
}
