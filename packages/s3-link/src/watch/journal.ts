import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory, readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import type { FileFacts } from '../upload/file-facts.ts'
import type { OpenUpload } from '../upload/send-parts.ts'

/** A file of which S3 is proven to have the bytes. */
export interface ProvenFile {
  facts: FileFacts
  sha256: string
  key: string
  etag: string
  /** Under another name, for its own holds someone else's object. */
  isConflict: boolean
  /** Milliseconds since the epoch. */
  provenAt: number
  /**
   * `here`: under this name since. `evicted`: removed from the disk by us. `gone`: by someone else. What has the name later is another file,
   * even where a counter gives it the same one, and never takes the object's place.
   */
  place: 'here' | 'evicted' | 'gone'
  /** When it was first missed, in milliseconds since the epoch. */
  goneAt?: number
}

type Line =
  | { name: string; proven: ProvenFile | null }
  | { name: string; upload: OpenUpload | null }
  | { root: string }
  | { marked: true }

// Rewritten when so many lines tell nothing any more.
const MAX_STALE_LINES = 20_000

/**
 * What is known of a folder's files, on the disk: a file of JSON lines that is only added to. Facts about S3, not promises: what is lost of
 * it, or was cut by a kill, is found out again by asking S3.
 */
export class Journal {
  readonly proven = new Map<string, ProvenFile>()
  readonly uploads = new Map<string, OpenUpload>()
  /** Which folder the facts are about: its inode. */
  root = ''
  /** The folder has its mark. */
  isMarked = false
  private readonly path: string
  private file: FileHandle | undefined
  private lines = 0
  private writing: Promise<void> = Promise.resolve()
  private pending: string[] = []
  /** The end of the file may be half a line, or lack some. */
  private isBroken = true

  private constructor(path: string) {
    this.path = path
  }

  /** Reads the journal in a state folder, or begins one. */
  static async open(state: string): Promise<Journal> {
    await makeDirectory(state, 0o700)
    const journal = await Journal.read(state)
    await journal.flush()
    return journal
  }

  /** Reads it, and writes nothing unless it is told something. */
  static async read(state: string): Promise<Journal> {
    const journal = new Journal(join(state, 'files.jsonl'))
    const text = (await readFileIfPresent(journal.path))?.toString() ?? ''
    for (const line of text.split('\n')) journal.apply(line)
    return journal
  }

  setRoot(root: string): void {
    this.root = root
    this.add({ root })
  }

  setMarked(): void {
    this.isMarked = true
    this.add({ marked: true })
  }

  /** Nothing is known of the name any more. */
  forget(name: string): void {
    this.proven.delete(name)
    this.add({ name, proven: null })
  }

  /** The file is not under its name any more, and it was not we who removed it. */
  miss(name: string): void {
    const proven = this.proven.get(name)
    if (proven?.place === 'here') this.prove(name, { ...proven, place: 'gone', goneAt: Date.now() })
  }

  prove(name: string, proven: ProvenFile): void {
    this.proven.set(name, proven)
    this.add({ name, proven })
  }

  /** On the disk when it resolves. */
  async setUpload(name: string, upload: OpenUpload | undefined): Promise<void> {
    if (upload === undefined) this.uploads.delete(name)
    else this.uploads.set(name, upload)
    this.add({ name, upload: upload ?? null })
    await this.flush(true)
  }

  /** Writes what was added. A full disk is no reason to stop sending: what is not written now is with the next that is. */
  async flush(sync = false): Promise<void> {
    this.writing = this.writing
      .then(() => this.write(sync))
      .catch(() => {
        this.isBroken = true
      })
    await this.writing
  }

  async close(): Promise<void> {
    await this.flush(true)
    await this.file?.close()
    this.file = undefined
  }

  private add(line: Line): void {
    this.pending.push(`${JSON.stringify(line)}\n`)
    // All of one turn of the event loop go together.
    if (this.pending.length === 1) setImmediate(() => void this.flush())
  }

  private async write(sync: boolean): Promise<void> {
    const lines = this.pending
    this.pending = []
    const useful = this.proven.size + this.uploads.size
    if (this.isBroken || this.lines > MAX_STALE_LINES + 2 * useful) {
      await this.rewrite()
      this.isBroken = false
      return
    }
    this.lines += lines.length
    if (lines.length > 0) await this.file?.appendFile(lines.join(''))
    if (sync) await this.file?.datasync()
  }

  private async rewrite(): Promise<void> {
    const lines: Line[] = [
      { root: this.root },
      ...(this.isMarked ? [{ marked: true } as const] : []),
      ...[...this.proven].map(([name, proven]) => ({ name, proven })),
      ...[...this.uploads].map(([name, upload]) => ({ name, upload })),
    ]
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    await writeFileAtomic(this.path, text, { mode: 0o600 })
    const before = this.file
    this.file = await open(this.path, 'a')
    this.lines = lines.length
    await before?.close()
  }

  private apply(text: string): void {
    let line: Line
    try {
      line = JSON.parse(text) as Line
    } catch {
      // The last line of one that was killed.
      return
    }
    if ('root' in line) this.root = line.root
    else if ('marked' in line) this.isMarked = true
    else if ('proven' in line) {
      if (line.proven === null) this.proven.delete(line.name)
      else this.proven.set(line.name, line.proven)
    } else if (line.upload === null) this.uploads.delete(line.name)
    else this.uploads.set(line.name, line.upload)
  }
}
