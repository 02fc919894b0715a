import { createGunzip } from 'node:zlib'
import { Readable, pipeline } from 'node:stream'
import { Parser, type ReadEntry } from 'tar'
import { decodeZstd } from './import-zstd.ts'
import type { Member, Stage } from './import-stage.ts'

/** Names of archives that can be unpacked as a stream. */
export const TAR_NAME = /\.(tar|tar\.gz|tgz|tar\.zst|tzst)$/

/** Unpacks a tar, plain or compressed, into a stage. Answers the paths of members that are no files, directories or links. */
export async function unpackTar(
  source: AsyncIterable<Uint8Array>,
  name: string,
  stage: Stage,
): Promise<string[]> {
  const skipped: string[] = []
  let failure: unknown
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      try {
        if (failure === undefined) place(entry, stage, skipped)
      } catch (error) {
        failure = error
      }
      entry.resume()
    },
  })
  parser.on('error', (error) => (failure ??= error))
  const ended = new Promise<void>((resolve) => {
    parser.on('end', () => resolve())
    parser.on('error', () => resolve())
  })
  for await (const bytes of decompress(source, name)) {
    parser.write(Buffer.from(bytes))
    if (failure !== undefined) throw failure
  }
  parser.end()
  await ended
  if (failure !== undefined) throw failure
  return skipped
}

function decompress(source: AsyncIterable<Uint8Array>, name: string): AsyncIterable<Uint8Array> {
  if (name.endsWith('zst')) return decodeZstd(source)
  if (!name.endsWith('gz')) return source
  const gunzip = createGunzip()
  pipeline(Readable.from(source), gunzip, () => {})
  return gunzip as AsyncIterable<Buffer>
}

function place(entry: ReadEntry, stage: Stage, skipped: string[]): void {
  const member: Member = {
    path: entry.path,
    mode: entry.mode ?? 0o644,
    mtimeMs: entry.mtime?.getTime() ?? 0,
  }
  switch (entry.type) {
    case 'File':
    case 'OldFile':
    case 'ContiguousFile': {
      const file = stage.file(member)
      entry.on('data', (bytes: Buffer) => file.write(bytes))
      entry.on('end', () => file.end())
      return
    }
    case 'Directory':
      return stage.directory(member)
    case 'SymbolicLink':
      return stage.link(member, entry.linkpath ?? '')
    case 'Link':
      return stage.hardLink(member, entry.linkpath ?? '')
    default:
      skipped.push(entry.path)
  }
}
