import * as fs from 'node:fs'
import * as path from 'node:path'
import { listChunks, type ChunkObject } from './chunks.ts'
import { compileNative } from './native.ts'
import { objectUrl, signedCurl } from './peers/curl.ts'
import type { Peer } from './peers/peer.ts'
import { LONG_FILE_BYTES, type Listing } from './trees/census.ts'

/**
 * What nothing that restores this tree from these objects can avoid, each alone and at its best: fetching the objects, decoding them,
 * creating the files. They run in the rounds of the others.
 */
export function floorParts(cores: number): Peer[] {
  return [
    ...[8, 32].map(fetchAtOnce),
    fetchInProcesses(cores),
    ...[cores, 2 * cores].map(decode),
    ...[...new Set([2, cores, 2 * cores])].map(create),
  ]
}

const floorPart = { isPart: true, prepare: async () => {} } as const

function fetchAtOnce(connections: number): Peer {
  return {
    ...floorPart,
    name: `fetch-${connections}`,
    about: `curl --parallel-max ${connections} of all chunks to /dev/null`,
    restore(bench, { scratch }) {
      const list = path.join(scratch, 'urls')
      const urls = listChunks(bench.server).map(({ key }) => objectUrl(bench, key))
      fs.writeFileSync(list, urls.map((url) => `url = ${url}\noutput = /dev/null\n`).join(''))
      const parallel = ['--parallel', '--parallel-immediate', '--parallel-max', String(connections)]
      return [[[...signedCurl(bench), ...parallel, '--config', list]]]
    },
  }
}

function fetchInProcesses(processes: number): Peer {
  return {
    ...floorPart,
    name: `fetch-${processes}-processes`,
    about: `${processes} × curl of their part of the chunks to /dev/null`,
    restore: (bench) =>
      share(listChunks(bench.server), processes).map((chunks) => [
        [
          ...signedCurl(bench),
          ...chunks.flatMap(({ key }) => [objectUrl(bench, key), '-o', '/dev/null']),
        ],
      ]),
  }
}

function decode(processes: number): Peer {
  return {
    ...floorPart,
    name: `decode-${processes}`,
    about: `${processes} × zstd -d of their part of the chunks to /dev/null`,
    restore: (bench) =>
      share(listChunks(bench.server), processes).map((chunks) => [
        ['zstd', '-dcq', ...chunks.map(({ key }) => path.join(bench.server.directory, key))],
      ]),
  }
}

function create(threads: number): Peer {
  return {
    ...floorPart,
    name: `create-${threads}`,
    about: `a C program that makes the same files and directories, ${threads} threads`,
    restore(bench, { directory, scratch }) {
      fs.mkdirSync(directory)
      const list = path.join(scratch, 'list')
      fs.writeFileSync(list, creationList(bench.listing))
      return [[[compileNative('create'), list, directory, String(threads)]]]
    },
  }
}

/** What `create` reads: directories by their depth, then files along their paths, but the long ones first. */
export function creationList(listing: Listing): string {
  const paths = [...listing].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const directories = paths
    .filter(([, { type }]) => type === 'directory')
    .map(([name]) => ({ name, depth: name.split('/').length }))
    .toSorted((a, b) => a.depth - b.depth)
  const files = paths.flatMap(([name, { type, size }]) => (type === 'file' ? [{ name, size }] : []))
  const long = files
    .filter(({ size }) => size > LONG_FILE_BYTES)
    .toSorted((a, b) => b.size - a.size)
  const short = files.filter(({ size }) => size <= LONG_FILE_BYTES)
  return [
    ...directories.map(({ name, depth }) => `d ${depth} ${name}\n`),
    ...[...long, ...short].map(({ name, size }) => `f ${size} ${name}\n`),
  ].join('')
}

/** Largest first, each to whoever has least. */
function share(chunks: ChunkObject[], parts: number): ChunkObject[][] {
  const result = Array.from({ length: parts }, () => ({ size: 0, chunks: [] as ChunkObject[] }))
  for (const chunk of chunks.toSorted((a, b) => b.size - a.size)) {
    const least = result.reduce((a, b) => (b.size < a.size ? b : a))
    least.chunks.push(chunk)
    least.size += chunk.size
  }
  return result.map(({ chunks: own }) => own).filter((own) => own.length > 0)
}
