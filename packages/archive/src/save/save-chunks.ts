import type { ChunkWriter, OngoingContent, WrittenContent } from './chunk-writer.ts'
import { SMALL_FILE_BYTES } from '../format/format.ts'
import { groupFiles } from '../format/group.ts'
import { createLimit } from '../workers/limit.ts'
import { createObjectRooms } from './object-rooms.ts'
import { untilCut } from './save-cut.ts'
import type { NewContent } from './save-plan.ts'
import { writeGroup } from './write-group.ts'
import { writeLong } from './write-segments.ts'

// Uploads that go on while the workers compress. More take more of the 256 MiB that a save may have.
const UPLOADS_BESIDE = 1

/**
 * Compresses new content into chunks and uploads them, list by list, each in groups of its own; resolves when all of them are in the
 * store, or the cut has come.
 */
export async function writeChunks(
  writer: ChunkWriter,
  lanes: readonly (readonly NewContent[])[],
): Promise<WrittenContent> {
  const ongoing: OngoingContent = {
    files: [],
    hashes: [],
    leftOut: [],
    uploadedBytes: 0,
    uploadedChunks: 0,
    uploads: new Map(),
    rooms: createObjectRooms(writer.pool.size + UPLOADS_BESIDE),
  }
  const total = lanes.flat().reduce((sum, { file }) => sum + file.size, 0)
  let done = 0
  const advance = (bytes: number): void => {
    done += bytes
    writer.options.onProgress?.({ done, total })
  }
  const run = createLimit(writer.pool.size + UPLOADS_BESIDE)
  const jobs = lanes.flatMap((lane) => {
    const long = lane.filter(({ file }) => file.size > SMALL_FILE_BYTES)
    const small = lane.flatMap(({ file }) => (file.size <= SMALL_FILE_BYTES ? [file] : []))
    return [
      ...long.map((content) => writeLong(writer, ongoing, { content, run, advance })),
      ...groupFiles(small).map((files) =>
        run(() => writeGroup(writer, ongoing, files)).then(() =>
          advance(files.reduce((sum, file) => sum + file.size, 0)),
        ),
      ),
    ]
  })
  try {
    await untilCut(writer.cut?.signal, Promise.all(jobs))
  } catch (error) {
    run.stop(error)
    ongoing.rooms.stop(error)
    await Promise.allSettled(jobs)
    throw error
  }
  const cut = writer.cut?.signal
  // The memory in which the chunks were made is no part of what came of them.
  const { uploads: _uploads, rooms: _rooms, ...written } = ongoing
  if (cut?.aborted !== true) return written
  run.stop(cut.reason)
  ongoing.rooms.stop(cut.reason)
  // What ends after the cut is not in the snapshot.
  return { ...written, files: [...written.files], hashes: [...written.hashes] }
}
