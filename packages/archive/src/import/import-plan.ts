import { BerthError } from '@berth/core/error'
import { TAR_NAME } from './import-tar.ts'

/** What an old archive consists of: the objects to unpack, in order, and where in the tree. */
export interface ImportPlan {
  parts: { key: string; below: string }[]
  /** Lists of sha256, each of the objects beside it. */
  checksums: string[]
}

const CHUNK = /^venv_chunk_(\d+)\.(?:tar|tar\.gz|tgz|tar\.zst)$/
const OTHERS = 'venv_other_folders.zip'
const CHECKSUMS = 'venv_chunks.checksums'

/**
 * Finds out what lies at a place: one archive, the chunks of one venv, or a folder of such per venv. Throws `archive/nothing-to-import`
 * and `archive/incomplete-source`.
 */
export function planImport(keys: readonly string[], where: string): ImportPlan {
  const [only] = keys
  if (
    keys.length === 1 &&
    only !== undefined &&
    (TAR_NAME.test(only) || only.endsWith('.zip')) &&
    !CHUNK.test(only)
  )
    return { parts: [{ key: only, below: '' }], checksums: [] }
  const folders = new Map<string, string[]>()
  for (const key of keys) {
    const slash = key.lastIndexOf('/')
    const folder = slash < 0 ? '' : key.slice(0, slash)
    folders.set(folder, [...(folders.get(folder) ?? []), key.slice(slash + 1)])
  }
  const plan: ImportPlan = { parts: [], checksums: [] }
  for (const [folder, names] of folders) {
    const chunks = names.filter((name) => CHUNK.test(name)).toSorted(byNumber)
    if (chunks.length === 0) continue
    const hasList = names.includes(CHECKSUMS)
    if (!hasList) refuseGaps(chunks, `${where}/${folder}`)
    const parts = names.includes(OTHERS) ? [...chunks, OTHERS] : chunks
    for (const name of parts) plan.parts.push({ key: keyIn(folder, name), below: folder })
    if (hasList) plan.checksums.push(keyIn(folder, CHECKSUMS))
  }
  if (plan.parts.length > 0) return plan
  throw new BerthError('archive/nothing-to-import', `there is no old archive at ${where}`, {
    hint: 'name a .tar, .tar.gz, .tar.zst or .zip, or the folder of its `venv_chunk_…` files',
  })
}

function keyIn(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`
}

function numberOf(name: string): number {
  return Number(CHUNK.exec(name)?.[1])
}

function byNumber(a: string, b: string): number {
  return numberOf(a) - numberOf(b)
}

/** They are numbered from 1 on; how many there should be is not written anywhere. */
function refuseGaps(chunks: readonly string[], where: string): void {
  const missing = chunks.findIndex((name, index) => numberOf(name) !== index + 1)
  if (missing < 0) return
  throw incomplete(`${where}: venv_chunk_${missing + 1} is missing`)
}

export function incomplete(why: string): BerthError {
  return new BerthError('archive/incomplete-source', `could not import ${why}`, {
    hint: 'fetch it again from where it was made; nothing was saved',
  })
}
