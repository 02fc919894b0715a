import { lstat } from 'node:fs/promises'
import { isBerthError } from '@berth/core/error'
import { isTemporaryName } from '@berth/filesystem'
import type { FileStore } from '@berth/object-store'
import { areEqual } from '../upload/file-facts.ts'
import { keyOf, pathOf, shownName } from '../upload/key.ts'
import { sendFile } from '../upload/send-file.ts'
import type { Journal } from '../watch/journal.ts'
import { placeOf, scanFolder } from '../watch/scan-folder.ts'

/** What goes where, and what is known of it. */
export interface Moving {
  store: FileStore
  /** In the store; without slashes at its ends. */
  prefix: string
  journal: Journal
  signal?: AbortSignal | undefined
}

/** What one pass over a folder found. */
export interface Pass {
  files: number
  bytes: number
  /** Of those, what was not proven to be in S3 when the pass began. */
  news: number
  sentBytes: number
  /** In S3 under another name than here. */
  renamed: { path: string; key: string }[]
  /** What is no file, and stays in the original. */
  leftOut: { path: string; why: string }[]
  /** Changed while they were sent; they are for the next pass. */
  unsettled: { path: string; why: string }[]
  /** Can't be read, or S3 does not take them. */
  refused: { path: string; why: string }[]
  /** Folders with nothing in them, of which no object tells. */
  emptyFolders: string[]
}

export interface FoundFile {
  name: string
  size: number
  isProven: boolean
}

const TRANSFERS = 8

/**
 * Sends every file of a folder to S3 that is not proven to be there, and proves it. Nothing in S3 is replaced but what this folder's own
 * file put there.
 */
export async function passOver(root: string, moving: Moving): Promise<Pass> {
  const record = await recordName(root)
  const pass = emptyPass()
  const found = await findFiles(root, record, { journal: moving.journal, pass })
  for (const { size, isProven } of found) {
    pass.files += 1
    pass.bytes += size
    if (!isProven) pass.news += 1
  }
  const missing = found.filter(({ isProven }) => !isProven)
  const work = async (): Promise<void> => {
    for (let file = missing.pop(); file !== undefined; file = missing.pop()) {
      moving.signal?.throwIfAborted()
      await send(placeOf(root, file.name), file.name, { moving, pass, record: record(file.name) })
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: TRANSFERS }, work))
  await moving.journal.flush(true)
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  for (const { name } of found) {
    const key = moving.journal.proven.get(record(name))?.key
    if (key !== undefined && key !== keyFor(name, moving.prefix, true))
      pass.renamed.push({ path: shownName(name), key })
  }
  return pass
}

export function emptyPass(): Pass {
  return {
    files: 0,
    bytes: 0,
    news: 0,
    sentBytes: 0,
    renamed: [],
    leftOut: [],
    unsettled: [],
    refused: [],
    emptyFolders: [],
  }
}

/** What the files of a folder are called in the journal: each folder has its own, also when all of them had one name in turn. */
export async function recordName(root: string): Promise<(name: string) => string> {
  const { ino, birthtimeNs } = await lstat(root, { bigint: true })
  // The number of an inode is used again, and then the files of that folder are not those on record.
  return (name) => `${ino}-${birthtimeNs}/${name}`
}

/** The key of a file; with `plain` as if every name could be one. */
export function keyFor(name: string, prefix: string, plain = false): string {
  const place = prefix === '' ? '' : `${prefix}/`
  const path = pathOf(name)
  return place + (plain ? path.toString() : keyOf(path, 1024 - Buffer.byteLength(place)))
}

/** Every file of a folder, with what is no file put into the pass. */
export async function findFiles(
  root: string,
  record: (name: string) => string,
  { journal, pass }: { journal: Pick<Journal, 'proven'>; pass: Pass },
): Promise<FoundFile[]> {
  const found: FoundFile[] = []
  const folders = new Set<string>()
  const filled = new Set<string>()
  const fill = (name: string): void =>
    void filled.add(name.slice(0, Math.max(0, name.lastIndexOf('/'))))
  await scanFolder(
    root,
    {
      file: (name, facts) => {
        fill(name)
        const proven = journal.proven.get(record(name))
        const isProven = proven !== undefined && areEqual(proven.facts, facts)
        found.push({ name, size: facts.size, isProven })
      },
      folder: (name) => {
        if (name !== '') folders.add(name)
        fill(name)
      },
      other: (name, kind) =>
        pass.leftOut.push({
          path: shownName(name),
          why: kind === 'symlink' ? 'a link' : 'no regular file',
        }),
      unreadable: (name, error) => pass.refused.push({ path: shownName(name), why: `${error}` }),
    },
    // Our own half-made files are nobody's.
    { isOurs: (name) => isTemporaryName(name.slice(name.lastIndexOf('/') + 1)) },
  )
  for (const name of folders) if (!filled.has(name)) pass.emptyFolders.push(shownName(name))
  return found
}

async function send(
  path: Buffer,
  name: string,
  { moving, pass, record }: { moving: Moving; pass: Pass; record: string },
): Promise<void> {
  const { store, prefix, journal, signal } = moving
  try {
    const sent = await sendFile({
      store,
      path,
      key: keyFor(name, prefix),
      known: () => journal.proven.get(record),
      looksFirst: true,
      upload: journal.uploads.get(record),
      saveUpload: (upload) => journal.setUpload(record, upload),
      signal,
    })
    if (sent === 'gone') return
    if (sent === 'changed') {
      pass.unsettled.push({ path: shownName(name), why: 'it changed while it was read' })
      return
    }
    const { facts, sha256, key, etag, isConflict, bytes } = sent
    journal.prove(record, {
      facts,
      sha256,
      key,
      etag,
      isConflict,
      provenAt: Date.now(),
      place: 'here',
    })
    pass.sentBytes += bytes
  } catch (error) {
    // What S3 as a whole refuses, it refuses for every file.
    if (signal?.aborted || (isBerthError(error) && error.code.startsWith('object-store/')))
      throw error
    const why = error instanceof Error ? error.message : String(error)
    pass.refused.push({ path: shownName(name), why })
  }
}
