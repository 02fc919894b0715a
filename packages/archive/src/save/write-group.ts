import { renameCondemned } from '../prune/condemned.ts'
import { type ChunkWriter, type WrittenContent, inRoom, leaveOut, upload } from './chunk-writer.ts'
import { withPlace } from './save-plan.ts'
import type { PacedUpload } from './upload-pace.ts'
import type { MadeGroup } from './save-work.ts'
import type { ScannedFile } from '../scan/scan.ts'

/** Stores small files as one chunk. */
export async function writeGroup(
  writer: ChunkWriter,
  written: WrittenContent,
  files: readonly ScannedFile[],
): Promise<void> {
  writer.options.signal?.throwIfAborted()
  const make = async (room: SharedArrayBuffer): Promise<MadeGroup> => {
    writer.cut?.signal.throwIfAborted()
    const made = (await writer.pool.run({
      kind: 'make-group',
      root: writer.root,
      files: files.map(plain),
      level: writer.level,
      room,
    })) as MadeGroup
    return renameCondemned(made, 'group', writer.condemned)
  }
  await inRoom(writer, written, {
    rawBytes: files.reduce((sum, { size }) => sum + size, 0),
    make,
    use: (group, paced) => keepGroup(writer, written, { group, paced }),
  })
}

async function keepGroup(
  writer: ChunkWriter,
  written: WrittenContent,
  { group, paced }: { group: MadeGroup; paced: PacedUpload | undefined },
): Promise<void> {
  const read = group.files.filter((file) => file.read)
  for (const file of group.files) {
    if (!file.read) leaveOut(written, file.path, file.reason)
  }
  if (read.length === 0) return
  const chunk = await upload(writer, written, { made: group, kind: 'group', paced })
  written.hashes.push({
    sha256: group.sha256,
    at: read.flatMap((file) => [file.frame, file.offset]),
    hashes: read.map((file) => file.hash),
  })
  for (const { file, frame, offset } of read) {
    written.files.push(
      withPlace(
        file,
        file.size === 0 ? { kind: 'empty' } : { kind: 'group', chunk, frame, offset },
      ),
    )
  }
}

function plain(file: ScannedFile) {
  const { path, mode, uid, gid, mtime, size, sparse } = file
  return { path, mode, uid, gid, mtime, size, sparse }
}
