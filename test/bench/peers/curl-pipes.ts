import * as fs from 'node:fs'
import * as path from 'node:path'
import { measure } from '../measure.ts'
import type { Listing } from '../trees/census.ts'
import { curl } from './curl.ts'
import type { Peer } from './peer.ts'
import { untar } from './single-pipe.ts'

/** The strongest baseline that a shell can give: the tree in equal parts, each with a pipe of its own, all at once. */
export function curlPipes(parts: number): Peer {
  const keys = Array.from({ length: parts }, (_, part) => `parts-${parts}/${part}.tar.zst`)
  return {
    name: `curl-${parts}`,
    about: `${parts} × (curl | zstd -d | tar x)`,
    async prepare(bench) {
      for (const [part, names] of splitTree(bench.listing, parts).entries()) {
        const list = path.join(bench.work, 'part.txt')
        const object = path.join(bench.work, 'part.tar.zst')
        fs.writeFileSync(list, names.map((name) => `${name}\0`).join(''))
        const tar = ['tar', '-c', '-C', bench.tree, '--no-recursion', '--null', '-T', list]
        const zstd = ['zstd', '-3', '-T0', '-q', '-f', '-o', object]
        await measure([[tar, zstd]], { ...bench, folder: bench.work })
        // The server keeps objects as files, so that is all there is to an upload.
        const stored = path.join(bench.server.directory, keys[part] ?? '')
        fs.mkdirSync(path.dirname(stored), { recursive: true })
        fs.cpSync(object, stored)
        fs.rmSync(object)
      }
    },
    restore(bench, { directory }) {
      fs.mkdirSync(directory)
      return keys.map((key) => [curl(bench, key), ['zstd', '-dc'], untar(directory)])
    },
  }
}

/** Cuts a tree along the order of its paths where the parts cost the same: the pipes then end together and seldom meet in a directory. */
export function splitTree(listing: Listing, parts: number): string[][] {
  const entries = [...listing].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const costs = entries.map(([, { size }]) => ENTRY_COST_BYTES + size)
  const whole = costs.reduce((sum, cost) => sum + cost, 0)
  const result: string[][] = Array.from({ length: parts }, () => [])
  let before = 0
  for (const [index, [name]] of entries.entries()) {
    const middle = before + (costs[index] ?? 0) / 2
    result[Math.min(parts - 1, Math.floor((middle / whole) * parts))]?.push(name)
    before += costs[index] ?? 0
  }
  return result
}

// 30 µs of calls to the kernel are worth about so many bytes of decoding at 1 GB/s.
const ENTRY_COST_BYTES = 30_000
