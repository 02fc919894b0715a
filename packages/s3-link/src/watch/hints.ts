import { watch, type FSWatcher } from 'node:fs'
import { hasErrno } from '@berth/filesystem'
import { placeOf } from './scan-folder.ts'

// inotify's own limit per user is often 8192, and the app wants some too.
const MAX_FOLDERS = 4096

/**
 * Hears from the kernel that something in a folder has changed. Only a hint, to look sooner: events get lost, a network volume tells
 * nothing of other machines, and there are too few watches for a large tree.
 */
export class Hints {
  /** Some folders are not listened to. */
  isPartial = false
  private readonly root: string
  private readonly changed: (name: string) => void
  private readonly watchers = new Map<string, FSWatcher>()

  constructor(root: string, changed: (name: string) => void) {
    this.root = root
    this.changed = changed
  }

  /** Listens to a folder, named as bytes in text; empty for the root. */
  listen(folder: string): void {
    if (this.watchers.has(folder)) return
    if (this.watchers.size >= MAX_FOLDERS) {
      this.isPartial = true
      return
    }
    try {
      const path = folder === '' ? Buffer.from(this.root) : placeOf(this.root, folder)
      const watcher = watch(path, { encoding: 'buffer', persistent: false }, (_, name) => {
        const prefix = folder === '' ? '' : `${folder}/`
        if (name !== null) this.changed(prefix + Buffer.from(name).toString('latin1'))
      })
      watcher.on('error', () => this.drop(folder))
      this.watchers.set(folder, watcher)
    } catch (error) {
      // The folder may be gone again. Else ENOSPC, EMFILE: no watches are left.
      if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) this.isPartial = true
    }
  }

  /** Forgets folders that are no more. */
  keep(folders: ReadonlySet<string>): void {
    for (const folder of this.watchers.keys()) if (!folders.has(folder)) this.drop(folder)
  }

  close(): void {
    for (const folder of this.watchers.keys()) this.drop(folder)
  }

  private drop(folder: string): void {
    this.watchers.get(folder)?.close()
    this.watchers.delete(folder)
  }
}
