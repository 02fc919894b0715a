import { createHash } from 'node:crypto'
import { lstat, mkdir, realpath, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { hasErrno, readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import type { FileStore } from '@berth/object-store'
import { areEqual, factsOf } from '../upload/file-facts.ts'
import { keyOf } from '../upload/key.ts'
import { sendFile } from '../upload/send-file.ts'
import type { OpenUpload } from '../upload/send-parts.ts'
import { listFolder } from '../watch/list-folder.ts'
import { placeOf } from '../watch/scan-folder.ts'
import { readWriters } from '../watch/writers.ts'
import type { LinkRecord } from './registry.ts'
import { targetOf } from './retarget.ts'
import type { SpooledFile } from './spool.ts'

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
  for (const name of files) {
    signal.throwIfAborted()
    const unsent = await drainFile({ root, name, link, store, signal })
    if (unsent !== undefined) left.push(unsent)
  }
  // The deepest first; one that is not empty stays.
  for (const folder of folders) {
    if (folder !== '') await rmdir(placeOf(root, folder)).catch(() => undefined)
  }
  return left
}

interface DrainedFile {
  root: string
  name: string
  link: LinkRecord
  store: FileStore
  signal: AbortSignal
}

/** Answers the file when it is not in S3. */
async function drainFile({
  root,
  name,
  link,
  store,
  signal,
}: DrainedFile): Promise<SpooledFile | undefined> {
  const path = placeOf(root, name)
  const uploads = join(link.spool, '..', 'uploads')
  const note = join(uploads, `${createHash('sha256').update(name).digest('hex')}.json`)
  const sent = await sendFile({
    store,
    path,
    looksFirst: true,
    key: join(link.subfolder, keyOf(Buffer.from(name, 'latin1'))),
    upload: await readUpload(note),
    saveUpload: (upload) => saveUpload(note, upload),
    signal,
  })
  if (sent === 'gone') return undefined
  if (sent === 'changed') return lookAt(path)
  const writers = readWriters(root, true)
  const now = await lstat(path, { bigint: true }).catch(() => undefined)
  const may = mayRemoveSpooled({
    isProven: true,
    isUnchanged: now !== undefined && areEqual(sent.facts, factsOf(now)),
    writers: !writers.isComplete ? 'unknown' : writers.names.has(name) ? 'some' : 'none',
    isInUse: (await targetOf(link.path)) === link.spool,
  })
  if (may) await unlink(path)
  return undefined
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
