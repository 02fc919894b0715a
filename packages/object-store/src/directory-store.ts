import { open, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { directoryError, hasCode } from './directory-error.ts'
import {
  exists,
  isSameFile,
  makeDirectory,
  removeFile,
  replaceFile,
  syncDirectory,
  tryLink,
} from './directory-files.ts'
import { DirectoryStaging } from './directory-staging.ts'
import { streamFile } from './directory-stream.ts'
import { walkKeys } from './directory-walk.ts'
import { checkKey, checkPrefix } from './key.ts'
import { allocator } from './memory.ts'
import type {
  ByteRange,
  ByteSink,
  GetOptions,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  PutResult,
  RequestOptions,
  StreamOptions,
} from './store.ts'

/**
 * A store in a directory. An object is written to a file under `.berth-tmp`, fsynced, and moved into place; `ifAbsent` is link(2).
 * A root that does not exist reads as empty and is made by the first put.
 */
export function openDirectoryStore(root: string, storeSignal?: AbortSignal): ObjectStore {
  return new DirectoryStore(root, storeSignal)
}

class DirectoryStore implements ObjectStore {
  readonly url: string
  private readonly root: string
  private readonly staging: DirectoryStaging
  private readonly storeSignal: AbortSignal | undefined
  private canLink: boolean | undefined

  constructor(root: string, storeSignal: AbortSignal | undefined) {
    this.root = root
    this.url = `file://${root}`
    this.staging = new DirectoryStaging(root)
    this.storeSignal = storeSignal
  }

  async supportsConditionalWrites(options: RequestOptions = {}): Promise<boolean> {
    this.check(options)
    if (this.canLink === undefined) {
      await this.guard('probe', '', async () => {
        const first = await this.staging.stage(Buffer.alloc(0), this.signalOf(options))
        const second = this.staging.newPath()
        try {
          this.canLink = await tryLink(first, second)
        } finally {
          await Promise.all([removeFile(first), removeFile(second)])
        }
      })
    }
    return this.canLink === true
  }

  async get(key: string, options: GetOptions = {}): Promise<Buffer | undefined> {
    checkKey(key)
    this.check(options)
    return this.guard('read', key, async () => {
      const file = await this.openForReading(key)
      if (file === undefined) return undefined
      try {
        const status = await file.stat()
        if (!status.isFile()) return undefined
        const start = Math.min(options.range?.start ?? 0, status.size)
        const end = Math.min(options.range?.end ?? status.size, status.size)
        return await this.readAll(file, { start, end: Math.max(start, end) }, options)
      } finally {
        await file.close()
      }
    })
  }

  async stream(
    key: string,
    sink: ByteSink,
    options: StreamOptions = {},
  ): Promise<number | undefined> {
    checkKey(key)
    this.check(options)
    const opened = await this.guard('read', key, async () => this.openForReading(key))
    if (opened === undefined) return undefined
    await using file = opened
    const read = <Result>(action: () => Promise<Result>): Promise<Result> => {
      this.check(options)
      return this.guard('read', key, action)
    }
    return await streamFile(file, { range: options.range, sink, read })
  }

  expectReads(): void {
    // Nothing to open ahead.
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    checkKey(key)
    this.check(options)
    return this.guard('write', key, async () => {
      const path = join(this.root, key)
      if (options.ifAbsent && (await exists(path))) return 'exists'
      const staged = await this.staging.stage(body, this.signalOf(options))
      try {
        await makeDirectory(dirname(path))
        this.check(options)
        const result = options.ifAbsent
          ? await this.publishIfAbsent(staged, path)
          : await replaceFile(staged, path)
        if (result === 'written') await syncDirectory(dirname(path))
        return result
      } finally {
        await removeFile(staged)
      }
    })
  }

  async head(key: string, options: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    checkKey(key)
    this.check(options)
    return this.guard('read', key, async () => {
      try {
        const status = await stat(join(this.root, key))
        if (!status.isFile()) return undefined
        return { key, size: status.size, modifiedAt: Math.floor(status.mtimeMs) }
      } catch (error) {
        if (await this.isMissing(error)) return undefined
        throw error
      }
    })
  }

  async *list(
    prefix: string,
    options: RequestOptions & { after?: string } = {},
  ): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix)
    this.check(options)
    try {
      for await (const key of walkKeys(this.root, prefix, options.after)) {
        this.check(options)
        const found = await this.head(key, options)
        if (found) yield found
      }
    } catch (error) {
      throw directoryError(error, 'list', this.url, prefix)
    }
  }

  async remove(keys: readonly string[], options: RequestOptions = {}): Promise<void> {
    for (const key of keys) checkKey(key)
    const left: { key: string; error: unknown }[] = []
    for (const key of keys) {
      this.check(options)
      try {
        await unlink(join(this.root, key))
      } catch (error) {
        // EISDIR and EPERM: unlink(2) of a directory, which is no object.
        const isDirectory = hasCode(error, ['EISDIR', 'EPERM']) && !(await this.head(key, options))
        if (!isDirectory && !(await this.isMissing(error))) left.push({ key, error })
      }
    }
    if (left.length > 0) throw removeFailed(this.url, left)
  }

  async close(): Promise<void> {
    this.canLink = undefined
  }

  private async openForReading(key: string): Promise<FileHandle | undefined> {
    try {
      return await open(join(this.root, key), 'r')
    } catch (error) {
      if (await this.isMissing(error)) return undefined
      throw error
    }
  }

  private async readAll(file: FileHandle, range: ByteRange, options: GetOptions): Promise<Buffer> {
    const bytes = allocator(options.bulk === true)(range.end - range.start)
    let filled = 0
    while (filled < bytes.length) {
      this.check(options)
      const { bytesRead } = await file.read(
        bytes,
        filled,
        bytes.length - filled,
        range.start + filled,
      )
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  }

  private async publishIfAbsent(staged: string, path: string): Promise<PutResult> {
    if (this.canLink !== false) {
      try {
        this.canLink = await tryLink(staged, path)
        if (this.canLink) return 'written'
      } catch (error) {
        if (!hasCode(error, ['EEXIST'])) throw error
        // Over NFS the answer to a link that succeeded can be lost, and its repetition says EEXIST.
        return (await isSameFile(staged, path)) ? 'written' : 'exists'
      }
    }
    return (await exists(path)) ? 'exists' : replaceFile(staged, path)
  }

  /** ENOENT is a missing object; so is ENOTDIR, unless it is the root itself that is no directory. */
  private async isMissing(error: unknown): Promise<boolean> {
    if (hasCode(error, ['ENOENT'])) return true
    if (!hasCode(error, ['ENOTDIR'])) return false
    const root = await stat(this.root).catch(() => undefined)
    return root?.isDirectory() ?? false
  }

  private signalOf(options: RequestOptions): AbortSignal | undefined {
    const signals = [options.signal, this.storeSignal].filter((signal) => signal !== undefined)
    return signals.length < 2 ? signals[0] : AbortSignal.any(signals)
  }

  private check(options: RequestOptions): void {
    options.signal?.throwIfAborted()
    this.storeSignal?.throwIfAborted()
  }

  private async guard<Result>(
    verb: string,
    key: string,
    work: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      throw directoryError(error, verb, this.url, key)
    }
  }
}

function removeFailed(url: string, left: { key: string; error: unknown }[]): BerthError {
  const names = left.map(({ key }) => `\`${key}\``).join(', ')
  return new BerthError('object-store/remove-failed', `could not remove ${names} from ${url}`, {
    hint: 'check who owns these files and whether the disk is read-only',
    cause: left[0]?.error,
  })
}
