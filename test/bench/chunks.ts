import * as fs from 'node:fs'
import * as path from 'node:path'
import { BERTH_PREFIX } from './peers/berth.ts'
import type { BenchServer } from './server.ts'

export interface ChunkObject {
  key: string
  /** As stored. */
  size: number
}

/** The objects that Berth's save of the tree left. */
export function listChunks({ directory }: BenchServer): ChunkObject[] {
  const chunks = path.join(BERTH_PREFIX, 'chunks')
  return fs
    .readdirSync(path.join(directory, chunks), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.zst'))
    .map((name) => path.join(chunks, name))
    .map((key) => ({ key, size: fs.statSync(path.join(directory, key)).size }))
}
