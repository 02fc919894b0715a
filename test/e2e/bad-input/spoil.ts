import * as fs from 'node:fs'
import * as path from 'node:path'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { decodeManifest, encodeManifest } from '../../../packages/archive/src/format/manifest.ts'
import type { Manifest } from '../../../packages/archive/src/format/manifest.ts'
import type { World } from './world.ts'

export const MANIFEST = 'store/snapshots/app/tree/@/00000001.json.zst'

/** The object of the small files (`tar.zst`), or that of the big one (`zst`). */
export function chunkOf({ here }: World, ending: 'zst' | 'tar.zst'): string {
  const folder = `${here}/store/chunks`
  const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const isGroup = (file: string) => file.endsWith('.tar.zst')
  const found = files.find(
    (file) => file.endsWith('.zst') && isGroup(file) === (ending === 'tar.zst'),
  )
  if (found === undefined) throw new Error(`the store has no chunk that ends with ${ending}`)
  return path.join(folder, found)
}

export function changeChunk(
  world: World,
  ending: 'zst' | 'tar.zst',
  edit: (bytes: Buffer) => Uint8Array,
): void {
  change(chunkOf(world, ending), edit)
}

export function change(file: string, edit: (bytes: Buffer) => Uint8Array): void {
  fs.writeFileSync(file, edit(fs.readFileSync(file)))
}

export function flipBit(bytes: Buffer): Buffer {
  const middle = bytes.length >> 1
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
  return bytes
}

/** What a manifest's JSON holds of what is spoilt here. */
interface ManifestJson {
  format: number
  directories: { names: string }
  files: { names: string }
}

/** For what the archive itself could not write. */
export function changeJson({ here }: World, edit: (manifest: ManifestJson) => void): void {
  change(path.join(here, MANIFEST), (bytes) => {
    const manifest = JSON.parse(zstdDecompressSync(bytes).toString()) as ManifestJson
    edit(manifest)
    return zstdCompressSync(JSON.stringify(manifest))
  })
}

export function changeManifest({ here }: World, edit: (manifest: Manifest) => void): void {
  change(path.join(here, MANIFEST), (bytes) => {
    const manifest: Manifest = decodeManifest(bytes, MANIFEST)
    // A tree that is put in its place is encoded, not the columns that it was read from.
    manifest.tree = { ...manifest.tree }
    edit(manifest)
    return encodeManifest(manifest)
  })
}

export function changeRecipe({ here }: World, from: string, to: string): void {
  change(`${here}/recipe.yaml`, (bytes) => Buffer.from(bytes.toString().replace(from, to)))
}

export function changeStore({ env }: World, from: string | RegExp, to: string): void {
  env['BERTH_STORE'] = env['BERTH_STORE']?.replace(from, to) ?? ''
}
