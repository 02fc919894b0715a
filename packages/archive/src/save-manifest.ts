import { bornName } from './commit.ts'
import type { Chunk, Manifest, StoredFile } from './manifest.ts'
import type { Base } from './save-base.ts'
import type { SaveOptions } from './save.ts'
import type { Tree } from './tree.ts'

/**
 * The manifest of the next generation, with only the chunks that its tree uses. In the history it is exactly the next one, so that of
 * two saves only one can take it; beside it, it comes after what it was made from as well.
 */
export function createManifest(
  { options, base, id }: { options: SaveOptions; base: Base; id: string },
  content: {
    tree: Tree<StoredFile>
    chunks: Chunk[]
    venvs: Manifest['venvs']
    beside: boolean
  },
): Manifest {
  const latest = base.latest?.generation ?? 0
  const before = content.beside ? Math.max(latest, base.manifest?.generation ?? 0) : latest
  const generation = before + 1
  return {
    id,
    archive: options.name,
    generation,
    parent: base.manifest?.id ?? null,
    created: new Date().toISOString(),
    pod: options.pod ?? '',
    additive: base.additive,
    venvs: content.venvs,
    ...compactChunks(content.tree, content.chunks, bornName({ generation, id })),
  }
}

/** Only the chunks that the tree uses, numbered anew. */
function compactChunks(
  tree: Tree<StoredFile>,
  chunks: readonly Chunk[],
  born: string,
): { tree: Tree<StoredFile>; chunks: Chunk[] } {
  const numbers = new Map<number, number>()
  const used: Chunk[] = []
  const renumber = (old: number): number => {
    const existing = numbers.get(old)
    if (existing !== undefined) return existing
    const chunk = chunks[old] as Chunk
    const number = used.push(chunk.born === '' ? { ...chunk, born } : chunk) - 1
    numbers.set(old, number)
    return number
  }
  const files = tree.files.map((file): StoredFile => {
    if (file.place.kind === 'empty') return file
    if (file.place.kind === 'group')
      return { ...file, place: { ...file.place, chunk: renumber(file.place.chunk) } }
    return { ...file, place: { kind: 'segments', chunks: file.place.chunks.map(renumber) } }
  })
  return { tree: { ...tree, files }, chunks: used }
}
