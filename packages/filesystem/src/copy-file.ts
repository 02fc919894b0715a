import type { BigIntStats } from 'node:fs'
import { constants } from 'node:fs'
import { copyFile, lstat, open, rm } from 'node:fs/promises'
import { hasErrno } from './errno.ts'

// A copy by the kernel can't be aborted: up to this size it ends soon enough.
const WHOLE_BYTES = 16n * 1024n * 1024n
const BLOCK_BYTES = 1024 * 1024

export interface FileCopy {
  from: Buffer
  to: Buffer
  /** Of the source. */
  before: BigIntStats
  signal: AbortSignal
  onBytes: (bytes: number) => void
}

/** Copies a regular file's bytes, by reflink where both are on a file system that can. `to` must be absent. Returns what is there now. */
export async function copyFileContent(copy: FileCopy): Promise<BigIntStats> {
  const { from, to, before, signal, onBytes } = copy
  signal.throwIfAborted()
  if (before.size <= WHOLE_BYTES) {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  } else if (!(await cloneIfPossible(from, to))) {
    await copyBlocks(copy)
    return lstat(to, { bigint: true })
  }
  const copied = await lstat(to, { bigint: true })
  onBytes(Number(copied.size))
  return copied
}

async function cloneIfPossible(from: Buffer, to: Buffer): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE)
    return true
  } catch (error) {
    if (!hasErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS', 'EPERM'))
      throw error
    await rm(to, { force: true })
    return false
  }
}

/**
 * Block by block, so that an abort ends it; blocks of zeros of a file that has holes become holes. No more than the file held at first:
 * one that grows as fast as it is read would never end.
 */
async function copyBlocks({ from, to, before, signal, onBytes }: FileCopy): Promise<void> {
  const hasHoles = before.blocks * 512n < before.size
  const zeros = Buffer.alloc(BLOCK_BYTES)
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  const size = Number(before.size)
  await using source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW)
  await using target = await open(to, 'wx', 0o600)
  let position = 0
  while (position < size) {
    signal.throwIfAborted()
    const wanted = Math.min(BLOCK_BYTES, size - position)
    const { bytesRead } = await source.read(block, 0, wanted, position)
    if (bytesRead === 0) break
    const data = block.subarray(0, bytesRead)
    const isHole = hasHoles && data.equals(zeros.subarray(0, bytesRead))
    if (!isHole) await writeAll(target, data, position)
    position += bytesRead
    onBytes(bytesRead)
  }
  await target.truncate(position)
}

async function writeAll(
  target: {
    write: (
      data: Buffer,
      offset: number,
      length: number,
      position: number,
    ) => Promise<{ bytesWritten: number }>
  },
  data: Buffer,
  position: number,
): Promise<void> {
  for (let written = 0; written < data.length;) {
    const rest = data.length - written
    written += (await target.write(data, written, rest, position + written)).bytesWritten
  }
}
