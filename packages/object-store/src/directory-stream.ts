import type { FileHandle } from 'node:fs/promises'
import type { ByteRange, ByteSink } from './store.ts'

interface FileStream {
  range: ByteRange | undefined
  sink: ByteSink
  /** Runs each call on the file. */
  read: <Result>(action: () => Promise<Result>) => Promise<Result>
}

// Large enough that few calls carry a chunk, small enough to stay in the processor's cache.
const PIECE_BYTES = 512 * 1024

/** Passes a file, or a part of it, on through one buffer; answers how many bytes that were. */
export async function streamFile(
  file: FileHandle,
  { range, sink, read }: FileStream,
): Promise<number> {
  const { size } = await read(async () => file.stat())
  const start = Math.min(range?.start ?? 0, size)
  const end = Math.min(range?.end ?? size, size)
  const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, Math.max(0, end - start)))
  let position = start
  while (position < end) {
    const length = Math.min(piece.length, end - position)
    const { bytesRead } = await read(async () => file.read(piece, 0, length, position))
    if (bytesRead === 0) break
    position += bytesRead
    await sink(piece.subarray(0, bytesRead))
  }
  return position - start
}
