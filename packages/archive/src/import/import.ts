import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { BerthError, isBerthError } from '@berth/core/error'
import { requireRoom } from '@berth/filesystem'
import type { ObjectStore, RequestOptions } from '@berth/object-store'
import { asDiskError } from '../restore/disk-error.ts'
import { type ImportPlan, incomplete, planImport } from './import-plan.ts'
import { Stage } from './import-stage.ts'
import { unpackTar } from './import-tar.ts'
import { unpackZip } from './import-zip.ts'
import { checkArchiveName } from '../format/name.ts'
import type { ArchiveOptions } from '../options.ts'
import { saveTree } from '../save/save.ts'
import { findLatest } from '../snapshots/snapshots.ts'

export interface ImportOptions extends ArchiveOptions {
  /** Where the old archive lies; it is only read. */
  source: ObjectStore
  /** The key of one archive; all that the source holds is looked at otherwise. */
  key?: string | undefined
  /** Leave away so many components at the front of each path. */
  strip?: number
  /** Keep links that lead out of the tree word for word, instead of refusing them. */
  keepLinks?: boolean
  /** Where it is unpacked before it is saved; the system's temporary directory, if it isn't given. */
  staging?: string | undefined
}

export interface ImportResult {
  result: 'imported'
  snapshot: string
  /** Archives or chunks that were unpacked. */
  parts: number
  files: number
  links: number
  uploadedBytes: number
  /** Files and links that `strip` left nothing of. */
  strippedFiles: number
  /** Members that are no files, directories or links. */
  skipped: string[]
}

/**
 * Saves the content of an archive that another program made as the first generation of a new one: a tar, plain or compressed, a zip, or
 * a venv in numbered chunks, with its list of checksums or without. It is unpacked beside everything else, counted, and saved only when
 * all of it was there. The source stays.
 *
 * Throws `archive/unsafe-member`, `archive/incomplete-source`, `archive/corrupt-source`, `archive/nothing-to-import`, and
 * `archive/existing` when there is an archive of that name.
 */
export async function importArchive(options: ImportOptions): Promise<ImportResult> {
  const { store, name, source, signal } = options
  checkArchiveName(name)
  if ((await findLatest(store, name, { signal })) !== undefined) {
    throw new BerthError(
      'archive/existing',
      `could not import into \`${name}\`: ${store.url} has an archive of that name`,
      { hint: `choose another name, such as \`${name}-imported\`` },
    )
  }
  const sizes = await listSource(options)
  const where = options.key === undefined ? source.url : `${source.url}/${options.key}`
  const plan = planImport([...sizes.keys()], where)
  const kept = await checkSums(options, plan)
  const parts = plan.parts.filter(({ key }) => kept(key))
  const parent = options.staging ?? tmpdir()
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, 'berth-import-'))
  try {
    const bytes = parts.reduce((sum, { key }) => sum + (sizes.get(key) ?? 0), 0)
    await requireRoom(directory, { bytes, files: 0 }, `unpack ${source.url}`)
    const tree = join(directory, basename(name))
    const counts = await unpackAll(options, parts, { tree, sizes })
    const saved = await saveTree({ ...options, directory: tree })
    if (saved.result !== 'saved') throw incomplete(`${source.url}: it holds nothing to save`)
    const { snapshot, uploadedBytes } = saved
    return { result: 'imported', snapshot, parts: parts.length, ...counts, uploadedBytes }
  } catch (error) {
    throw asDiskError(error, `unpack ${source.url}`)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function listSource({ source, key, signal }: ImportOptions): Promise<Map<string, number>> {
  if (key !== undefined) {
    const found = await source.head(key, { signal })
    if (found === undefined) throw incomplete(`${source.url}/${key}: there is no such object`)
    return new Map([[key, found.size]])
  }
  const sizes = new Map<string, number>()
  for await (const object of source.list('', { signal })) sizes.set(object.key, object.size)
  return sizes
}

// A request each: enough to fill a link, little to hold.
const PIECE_BYTES = 8 * 1024 * 1024

async function* read(
  source: ObjectStore,
  key: string,
  size: number,
  options: RequestOptions,
): AsyncGenerator<Buffer> {
  for (let start = 0; start < size; start += PIECE_BYTES) {
    const range = { start, end: Math.min(size, start + PIECE_BYTES) }
    const bytes = await source.get(key, { ...options, range })
    if (bytes?.length !== range.end - start)
      throw incomplete(`${source.url}/${key}: it changed meanwhile`)
    yield bytes
  }
}

/** Reads the lists of checksums; answers which parts are in them. Chunks that are in no list are what an older state has left. */
async function checkSums(
  { source, signal, onNote }: ImportOptions,
  plan: ImportPlan,
): Promise<(key: string) => boolean> {
  const unwanted = new Set<string>()
  for (const list of plan.checksums) {
    const folder = dirname(list) === '.' ? '' : `${dirname(list)}/`
    const text = (await source.get(list, { signal }))?.toString('utf8') ?? ''
    const sums = new Map<string, string>()
    for (const line of text.split('\n')) {
      const [, sum, file] = /^([0-9a-f]{64})\s+\*?(.+)$/.exec(line.trim()) ?? []
      if (sum !== undefined && file !== undefined) sums.set(`${folder}${basename(file)}`, sum)
    }
    for (const { key } of plan.parts)
      if (key.startsWith(folder) && !key.slice(folder.length).includes('/') && !sums.has(key))
        unwanted.add(key)
    for (const [key, sum] of sums) await checkSum(source, key, sum, signal)
  }
  for (const key of unwanted)
    onNote?.('warn', `left out ${key}: the list of checksums does not name it`)
  return (key) => !unwanted.has(key)
}

async function checkSum(
  source: ObjectStore,
  key: string,
  sum: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const size = (await source.head(key, { signal }))?.size
  if (size === undefined) throw incomplete(`${source.url}: ${key} is missing`)
  const digest = createHash('sha256')
  for await (const piece of read(source, key, size, { signal })) digest.update(piece)
  if (digest.digest('hex') !== sum) throw corrupt(`${source.url}/${key}`, 'its checksum is another')
}

type Counts = Pick<ImportResult, 'files' | 'links' | 'strippedFiles' | 'skipped'>

async function unpackAll(
  options: ImportOptions,
  parts: ImportPlan['parts'],
  { tree, sizes }: { tree: string; sizes: ReadonlyMap<string, number> },
): Promise<Counts> {
  const { source, signal, onNote, onProgress, strip = 0, keepLinks = false } = options
  const total = parts.reduce((sum, { key }) => sum + (sizes.get(key) ?? 0), 0)
  const counts: Counts = { files: 0, links: 0, strippedFiles: 0, skipped: [] }
  const stages = new Map<string, Stage>()
  let done = 0
  let current = ''
  for (const { key, below } of parts) {
    signal?.throwIfAborted()
    current = `${source.url}/${key}`
    const root = join(tree, below)
    mkdirSync(root, { recursive: true, mode: 0o755 })
    const stage = stages.get(below) ?? new Stage(root, { strip, keepLinks, from: () => current })
    stages.set(below, stage)
    const size = sizes.get(key) ?? 0
    const bytes = read(source, key, size, { signal })
    try {
      if (key.endsWith('.zip')) unpackZip(await collect(bytes), stage)
      else counts.skipped.push(...(await unpackTar(bytes, key, stage)))
    } catch (error) {
      if (isBerthError(error) || isDiskProblem(error)) throw error
      throw corrupt(current, (error as Error).message, error)
    }
    done += size
    onProgress?.({ done, total })
  }
  for (const stage of stages.values()) {
    const { files, links, strippedFiles } = stage.finish()
    counts.files += files
    counts.links += links
    counts.strippedFiles += strippedFiles
  }
  const present = countEntries(tree)
  if (present.files !== counts.files || present.links !== counts.links)
    throw incomplete(
      `${source.url}: it has ${counts.files} files, and ${present.files} were unpacked`,
    )
  reportStripped(options, counts)
  for (const path of counts.skipped) onNote?.('warn', `\`${path}\` was not imported: it is no file`)
  return counts
}

function reportStripped(
  { source, strip, onNote }: ImportOptions,
  { files, links, strippedFiles }: Counts,
): void {
  if (strippedFiles === 0) return
  if (files + links === 0) {
    throw new BerthError(
      'archive/nothing-to-import',
      `could not import ${source.url}: \`--strip ${strip}\` leaves nothing of its ${strippedFiles} paths`,
      {
        hint: 'give a smaller number: it is how many components the paths have in front of the tree',
      },
    )
  }
  onNote?.(
    'warn',
    `left out ${strippedFiles} of ${files + links + strippedFiles} files and links: their paths have no more than the ${strip} components that were to be left away`,
  )
}

/** Not by a recursive readdir, which follows links to directories. */
function countEntries(directory: string): { files: number; links: number } {
  const counts = { files: 0, links: 0 }
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isFile()) counts.files++
    else if (entry.isSymbolicLink()) counts.links++
    else if (entry.isDirectory()) {
      const below = countEntries(join(directory, entry.name))
      counts.files += below.files
      counts.links += below.links
    }
  }
  return counts
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const piece of pieces) parts.push(piece)
  return Buffer.concat(parts)
}

function isDiskProblem(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall !== undefined
}

function corrupt(what: string, why: string, cause?: unknown): BerthError {
  return new BerthError('archive/corrupt-source', `could not import ${what}: ${why}`, {
    hint: 'fetch it again from where it was made; nothing was saved',
    cause,
  })
}
