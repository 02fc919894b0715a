import { createHash } from 'node:crypto'
import { lstat, mkdir, realpath, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isBerthError } from '@berth/core/error'
import { hasErrno, readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import type { FileStore } from '@berth/object-store'
import { areEqual, factsOf, type FileFacts } from '../upload/file-facts.ts'
import { keyOf } from '../upload/key.ts'
import { sendFile } from '../upload/send-file.ts'
import type { OpenUpload } from '../upload/send-parts.ts'
import { listFolder } from '../watch/list-folder.ts'
import { placeOf } from '../watch/scan-folder.ts'
import { readWriters } from '../watch/writers.ts'
import type { LinkRecord } from './registry.ts'
import { targetOf } from './retarget.ts'
import type { SpooledFile } from './spool.ts'

const batchFiles = 64
const atOnce = 4

/** Whether a file in a spool may go, because S3 has it. */
export function mayRemoveSpooled(facts: {
  isProven: boolean
  isUnchanged: boolean
  writers: 'none' | 'some' | 'unknown'
  /** The link leads to the spool: apps look for their files there. */
  isInUse: boolean
}): boolean {
  return facts.isProven && facts.isUnchanged && facts.writers === 'none' && !facts.isInUse
}

/**
 * Sends what waits in a link's spool, and removes each file that is proven to be in S3, that nobody writes to, and that did not change. What
 * is in S3 under its name already stays, and the file goes beside it. May be cut at any time, and goes on the next. Answers what is not
 * in S3.
 */
export async function drainSpool(
  link: LinkRecord,
  store: FileStore,
  signal: AbortSignal,
): Promise<SpooledFile[]> {
  const root = await realpath(link.spool).catch(() => undefined)
  if (root === undefined) return []
  const left: SpooledFile[] = []
  const { files, folders } = await listFolder(root)
  for (let at = 0; at < files.length; at += batchFiles) {
    signal.throwIfAborted()
    const names = files.slice(at, at + batchFiles)
    const sent = await sendAll(names, { root, link, store, signal })
    await removeSent(sent, root, link)
    for (const name of names) {
      if (sent.has(name)) continue
      const waiting = await lookAt(placeOf(root, name))
      if (waiting !== undefined) left.push(waiting)
    }
  }
  // The deepest first; one that is not empty stays.
  for (const folder of folders) {
    if (folder !== '') await rmdir(placeOf(root, folder)).catch(() => undefined)
  }
  return left
}

interface Drain {
  root: string
  link: LinkRecord
  store: FileStore
  signal: AbortSignal
}

/** What is proven to be in S3, and what each file was like as it was read. */
type SentFiles = ReadonlyMap<string, FileFacts>

async function sendAll(names: readonly string[], drain: Drain): Promise<SentFiles> {
  const sent = new Map<string, FileFacts>()
  const waiting = names.values()
  const send = async () => {
    for (const name of waiting) {
      const facts = await sendOne(name, drain)
      if (facts !== undefined) sent.set(name, facts)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, send))
  return sent
}

async function sendOne(
  name: string,
  { root, link, store, signal }: Drain,
): Promise<FileFacts | undefined> {
  const uploads = join(link.spool, '..', 'uploads')
  const note = join(uploads, `${createHash('sha256').update(name).digest('hex')}.json`)
  try {
    const sent = await sendFile({
      store,
      path: placeOf(root, name),
      looksFirst: true,
      key: join(link.subfolder, keyOf(Buffer.from(name, 'latin1'))),
      upload: await readUpload(note),
      saveUpload: (upload) => saveUpload(note, upload),
      signal,
    })
    return typeof sent === 'string' ? undefined : sent.facts
  } catch (error) {
    // One that can't be read, or proven, holds up no other; a service that does not answer ends it.
    if (isBerthError(error, 's3-link/not-proven') || hasErrno(error, 'EACCES', 'EIO'))
      return undefined
    throw error
  }
}

/** Looks once for all who may write to one of them: that takes longer than sending one. */
async function removeSent(sent: SentFiles, root: string, link: LinkRecord): Promise<void> {
  if (sent.size === 0) return
  const isInUse = (await targetOf(link.path)) === link.spool
  const writers = readWriters(root, true)
  for (const [name, facts] of sent) {
    const path = placeOf(root, name)
    const now = await lstat(path, { bigint: true }).catch(() => undefined)
    const may = mayRemoveSpooled({
      isProven: true,
      isUnchanged: now !== undefined && areEqual(facts, factsOf(now)),
      writers: !writers.isComplete ? 'unknown' : writers.names.has(name) ? 'some' : 'none',
      isInUse,
    })
    if (may) await unlink(path)
  }
}

async function lookAt(path: Buffer): Promise<SpooledFile | undefined> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return undefined
  return { name: path.toString(), size: found.size, mtimeMs: found.mtimeMs }
}

async function readUpload(note: string): Promise<OpenUpload | undefined> {
  const data = await readFileIfPresent(note)
  return data === undefined ? undefined : (JSON.parse(data.toString()) as OpenUpload)
}

async function saveUpload(note: string, upload: OpenUpload | undefined): Promise<void> {
  if (upload !== undefined) {
    await mkdir(join(note, '..'), { recursive: true })
    return writeFileAtomic(note, JSON.stringify(upload))
  }
  await unlink(note).catch((error: unknown) => {
    if (!hasErrno(error, 'ENOENT')) throw error
  })
}
