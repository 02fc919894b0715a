import type { ObjectStore } from '@berth/object-store'
import type { Threads } from './workers/threads.ts'

/** What every operation on an archive takes. */
export interface ArchiveOptions {
  store: ObjectStore
  /** The archive's name: a path such as `comfyui/venv`. */
  name: string
  signal?: AbortSignal | undefined
  onProgress?: ((progress: ArchiveProgress) => void) | undefined
  /** Things that a user should read although nothing failed. */
  onNote?: ((level: 'info' | 'warn', text: string) => void) | undefined
  /** Milliseconds: takes the place of this machine's clocks where it is asked how long something has taken. */
  now?: (() => number) | undefined
  /** Started before, for this one operation. Whoever has started them ends them. */
  threads?: Threads | undefined
}

export interface ArchiveProgress {
  /** Bytes of files, uncompressed. */
  done: number
  total: number
}
