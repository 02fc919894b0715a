import { randomUUID } from 'node:crypto'
import { lstat, open, readdir } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from './directory-error.ts'
import { makeDirectory, removeFile } from './directory-files.ts'
import { reservedComponent } from './key.ts'

const staleMs = 24 * 60 * 60 * 1000

/** Files of a store that are not objects yet: written whole and fsynced under `.berth-tmp`, on the file system that they are moved within. */
export class DirectoryStaging {
  readonly #root: string
  readonly #directory: string
  #prepared: Promise<void> | undefined

  constructor(root: string) {
    this.#root = root
    this.#directory = join(root, reservedComponent)
  }

  /** Writes the bytes to a temporary file that is on the disk when this resolves, with its path; an abort leaves no file. */
  async stage(body: Uint8Array, signal: AbortSignal | undefined): Promise<string> {
    this.#prepared ??= this.#prepare()
    try {
      await this.#prepared
    } catch (error) {
      this.#prepared = undefined
      throw error
    }
    const path = this.newPath()
    const file = await this.#create(path)
    try {
      await file.writeFile(body, { ...(signal && { signal }) })
      await file.sync()
      signal?.throwIfAborted()
    } catch (error) {
      await removeFile(path)
      signal?.throwIfAborted()
      throw error
    } finally {
      await file.close()
    }
    return path
  }

  newPath(): string {
    return join(this.#directory, `${process.pid}-${randomUUID()}`)
  }

  async #create(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx')
    } catch (error) {
      // Someone has removed the whole store meanwhile.
      if (!hasCode(error, ['ENOENT'])) throw error
      await this.#makeRoot()
      return open(path, 'wx')
    }
  }

  async #makeRoot(): Promise<void> {
    // What only its owner could read in a tree must not be everyone's to read in a store.
    await makeDirectory(this.#root, 0o750)
    await makeDirectory(this.#directory)
  }

  /** Makes the root, and clears what writers that were killed have left behind. */
  async #prepare(): Promise<void> {
    await this.#makeRoot()
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name)
      const status = await lstat(path).catch(() => undefined)
      if (status?.isFile() && Date.now() - status.mtimeMs > staleMs) await removeFile(path)
    }
  }
}
