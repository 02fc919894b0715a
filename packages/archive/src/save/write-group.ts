import { renameCondemned } from '../prune/condemned.ts'
import { type ChunkWriter, type OngoingContent, inRoom, leaveOut, upload } from './chunk-writer.ts'
import { matchPlaces, packFiles } from './group-columns.ts'
import type { PacedUpload } from './upload-pace.ts'
import type { MadeGroup } from './save-work.ts'
import type { ScannedFile } from '../scan/scan.ts'

/** Stores small files as one chunk. */
export async function writeGroup(
  writer: ChunkWriter,
  written: OngoingContent,
  files: readonly ScannedFile[],
): Promise<void> {
  writer.options.signal?.throwIfAborted()
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  const make = async (room: SharedArrayBuffer): Promise<MadeGroup> => {
    writer.cut?.signal.throwIfAborted()
    const made = (await writer.pool.run({
      kind: 'make-group',
      root: writer.root,
      files: packFiles(files),
      bytes,
      level: writer.level,
      room,
    })) as MadeGroup
    return renameCondemned(made, 'group', writer.condemned)
  }
  await inRoom(writer, written, {
    rawBytes: bytes,
    make,
    use: (group, paced) => keepGroup(writer, written, { files, group, paced }),
  })
}

interface KeptGroup {
  /** Those that it was made of. */
  files: readonly ScannedFile[]
  group: MadeGroup
  paced: PacedUpload | undefined
}

async function keepGroup(
  writer: ChunkWriter,
  written: OngoingContent,
  { files, group, paced }: KeptGroup,
): Promise<void> {
  const { read, unread } = matchPlaces(files, group.places)
  for (const { file, reason } of unread) leaveOut(written, file.path, reason)
  if (read.length === 0) return
  const chunk = await upload(writer, written, { made: group, kind: 'group', paced })
  written.hashes.push({
    sha256: group.sha256,
    at: read.flatMap(({ place }) => [place.frame, place.offset]),
    hashes: group.places.hashes,
  })
  for (const { file, place } of read) {
    const { size, mtime, frame, offset } = place
    const { path, mode, uid, gid, sparse } = file
    written.files.push({
      path,
      mode,
      uid,
      gid,
      mtime,
      size,
      sparse,
      place: size === 0 ? { kind: 'empty' } : { kind: 'group', chunk, frame, offset },
    })
  }
}
