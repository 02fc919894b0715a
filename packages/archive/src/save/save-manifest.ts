import { bornName } from '../merge/commit.ts'
import { ancestorsOf } from '../merge/merge-commit.ts'
import type { Chunk, Manifest, StoredFile } from '../format/manifest.ts'
import type { Base } from './save-base.ts'
import type { LateUnit } from './save-late.ts'
import type { SaveOptions } from './save.ts'
import type { Tree } from '../format/tree.ts'

interface HeadContent {
  venvs: Manifest['venvs']
  beside: boolean
  late?: readonly LateUnit[]
}

/** What a save's manifest begins with. In the history its generation is exactly the next one, so that of two saves only one can take it. */
export function createHead(
  { options, base, id }: { options: SaveOptions; base: Base; id: string },
  { venvs, beside, late = [] }: HeadContent,
): Omit<Manifest, 'tree' | 'chunks'> {
  const latest = base.latest?.generation ?? 0
  // Beside it, it comes after what it was made from as well.
  const before = beside ? Math.max(latest, base.manifest?.generation ?? 0) : latest
  return {
    id,
    archive: options.name,
    generation: before + 1,
    parent: base.manifest?.id ?? null,
    created: new Date().toISOString(),
    pod: options.pod ?? '',
    additive: base.additive,
    ...(base.manifest === undefined ? {} : { ancestors: ancestorsOf(base.manifest) }),
    ...(late.length === 0 ? {} : { late: late.map(({ path }) => path) }),
    venvs,
  }
}

/** The manifest of the next generation, with only the chunks that its tree uses. */
export function createManifest(
  save: { options: SaveOptions; base: Base; id: string },
  content: HeadContent & { tree: Tree<StoredFile>; chunks: Chunk[] },
): Manifest {
  const head = createHead(save, content)
  return { ...head, ...compactChunks(content.tree, content.chunks, bornName(head)) }
}

/** Those that a save wrote get its name. */
export function nameBorn(
  chunks: readonly Chunk[],
  head: { generation: number; id: string },
): Chunk[] {
  const born = bornName(head)
  return chunks.map((chunk) => (chunk.born === '' ? { ...chunk, born } : chunk))
}

/** Only the chunks that the tree uses, in the order that they have: files are rewritten only where a number changes. */
export function compactChunks(
  tree: Tree<StoredFile>,
  chunks: readonly Chunk[],
  born: string,
): { tree: Tree<StoredFile>; chunks: Chunk[] } {
  const isUsed = new Uint8Array(chunks.length)
  for (const { place } of tree.files) {
    if (place.kind === 'group') isUsed[place.chunk] = 1
    else if (place.kind === 'segments') for (const chunk of place.chunks) isUsed[chunk] = 1
  }
  const numbers: number[] = []
  const used: Chunk[] = []
  for (const [old, chunk] of chunks.entries()) {
    numbers.push(used.length)
    if (isUsed[old] === 1) used.push(chunk.born === '' ? { ...chunk, born } : chunk)
  }
  if (used.length === chunks.length) return { tree, chunks: used }
  const renumber = (old: number): number => numbers[old] as number
  const files = tree.files.map((file): StoredFile => {
    if (file.place.kind === 'empty') return file
    if (file.place.kind === 'group')
      return { ...file, place: { ...file.place, chunk: renumber(file.place.chunk) } }
    return { ...file, place: { kind: 'segments', chunks: file.place.chunks.map(renumber) } }
  })
  return { tree: { ...tree, files }, chunks: used }
}
