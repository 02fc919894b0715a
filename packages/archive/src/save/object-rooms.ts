import { GROUP_MAX_BYTES, GROUP_MAX_FILES, SEGMENT_BYTES } from '../format/format.ts'
import { frameRoom } from '../format/frame-encoder.ts'

/** Memory in which objects are made and from which they are sent, used again and again. */
export interface ObjectRooms {
  /** Waits, in order, until one is free. */
  take: () => Promise<SharedArrayBuffer>
  give: (room: SharedArrayBuffer) => void
  /** Refuses those that wait. */
  stop: (reason: unknown) => void
}

// Of a tar: a header and less than a block of padding for each file. What frames and long names add is small beside that.
const TAR_BYTES = GROUP_MAX_FILES * 1024
/** For the largest object, should nothing of it be compressible. What is never written to never becomes memory. */
const ROOM_BYTES = frameRoom(Math.max(SEGMENT_BYTES, GROUP_MAX_BYTES)) + TAR_BYTES

/** At most so many, made when they are asked for. What is thrown away instead is only collected when it has grown to hundreds of megabytes. */
export function createObjectRooms(count: number): ObjectRooms {
  const free: SharedArrayBuffer[] = []
  const waiting: {
    start: (room: SharedArrayBuffer) => void
    refuse: (reason: unknown) => void
  }[] = []
  let made = 0
  return {
    async take() {
      const room = free.pop()
      if (room !== undefined) return room
      if (made === count) return new Promise((start, refuse) => waiting.push({ start, refuse }))
      made++
      return new SharedArrayBuffer(ROOM_BYTES)
    },
    give(room) {
      const next = waiting.shift()
      if (next === undefined) free.push(room)
      else next.start(room)
    },
    stop(reason) {
      for (const { refuse } of waiting.splice(0)) refuse(reason)
    },
  }
}
