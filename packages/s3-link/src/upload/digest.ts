import { createHash, webcrypto } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'

/** The content of a file, as hashes. */
export interface FileDigest {
  sha256: string
  /** Of each part, in order. */
  partMd5s: Buffer[]
}

const READ_BYTES = 1024 * 1024

/** SHA-256 in hex, worked out in another thread. */
export async function sha256Of(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex')
}

/** Reads a file to its end; `undefined` when there is not as much as there should be. */
export async function digestFile(
  file: FileHandle,
  {
    size,
    partBytes,
    signal,
  }: { size: number; partBytes: number; signal?: AbortSignal | undefined },
): Promise<FileDigest | undefined> {
  const whole = createHash('sha256')
  const partMd5s: Buffer[] = []
  let part = createHash('md5')
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  for (let at = 0; at < size;) {
    signal?.throwIfAborted()
    const partEnd = (Math.floor(at / partBytes) + 1) * partBytes
    const wanted = Math.min(READ_BYTES, size - at, partEnd - at)
    const { bytesRead } = await file.read(buffer, 0, wanted, at)
    if (bytesRead === 0) return undefined
    const bytes = buffer.subarray(0, bytesRead)
    whole.update(bytes)
    part.update(bytes)
    at += bytesRead
    if (at !== partEnd && at !== size) continue
    partMd5s.push(part.digest())
    part = createHash('md5')
  }
  return { sha256: whole.digest('hex'), partMd5s }
}

/** Fills the buffer from a place in the file; false when the file ends before. */
export async function readFully(
  file: FileHandle,
  buffer: Buffer,
  position: number,
): Promise<boolean> {
  for (let filled = 0; filled < buffer.length;) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled)
    if (bytesRead === 0) return false
    filled += bytesRead
  }
  return true
}

/** The ETag of an object that was put in parts, where ETags are MD5s: the MD5 of the parts' MD5s, and how many. */
export function etagOfParts(partMd5s: readonly Buffer[]): string {
  const md5 = createHash('md5').update(Buffer.concat(partMd5s)).digest('hex')
  return `${md5}-${partMd5s.length}`
}
