import { join } from 'node:path'
import type { HeldFile } from '../driver/held-file.ts'
import { linkOf } from './link-of.ts'
import type { LinkRecord } from './registry.ts'
import { copyIntoSpool } from './spool-file.ts'
import { type OpenForWriting, openForWriting } from './writers.ts'

export interface RescueRequest {
  held: readonly HeldFile[]
  mountPoint: string
  /** The first one's spool takes what belongs to none. */
  links: readonly LinkRecord[]
  /** Only what is whole and was closed. */
  wholeOnly?: boolean
  signal?: AbortSignal
}

export interface RescuedFile {
  path: string
  /** Where it was, and when it was last written to. */
  source: string
  mtimeMs: number
  bytes: number
  /** False: it may lack a part, or parts that were sent already. */
  isWhole: boolean
}

/**
 * Copies what only a daemon has into the spools of its links, the smallest first, where it is sent like everything that waits there. What is
 * whole gets its own name; what may not be goes to `rescued/<time>-maybe-partial/`. Overwrites nothing; may run again. Touches only
 * the daemon's own files, so that a mount which hangs makes nobody wait.
 */
export async function rescueFiles(request: RescueRequest): Promise<RescuedFile[]> {
  const { held, mountPoint, links, wholeOnly = false, signal } = request
  const open = await openForWriting(mountPoint)
  const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const rescued: RescuedFile[] = []
  for (const [index, file] of held.toSorted((one, other) => one.bytes - other.bytes).entries()) {
    if (signal?.aborted === true) break
    const name = file.name ?? guessName(file, held, open, mountPoint)
    const isOpen = open.some(({ path }) => path === join(mountPoint, name ?? ''))
    const isWhole = file.isWhole && !isOpen
    if (wholeOnly && !isWhole) continue
    const found = name === undefined ? undefined : linkOf(name, links)
    const link = found?.link ?? links[0]
    if (link === undefined) continue
    const rest = found?.rest ?? name ?? `unnamed-${index + 1}`
    const otherName = join(`rescued`, isWhole ? stamp : `${stamp}-maybe-partial`, rest)
    const kept = await copyIntoSpool({
      source: file.source,
      spool: link.spool,
      name: isWhole && found !== undefined ? rest : otherName,
      otherName: `${otherName}~${index + 1}`,
    })
    if (kept === undefined) continue
    const { source, bytes } = file
    const path = join(link.spool, kept.name)
    rescued.push({ path, source, mtimeMs: kept.mtimeMs, bytes, isWhole })
  }
  return rescued
}

/** Of a file without a name: the one program that has written just so much, where that can be only one. */
function guessName(
  { bytes, name }: HeldFile,
  held: readonly HeldFile[],
  open: readonly OpenForWriting[],
  mountPoint: string,
): string | undefined {
  if (name !== undefined) return name
  const [writer, ...others] = open.filter(({ position }) => position === bytes)
  const isAlone = held.filter((file) => file.bytes === bytes).length === 1
  if (writer === undefined || others.length > 0 || !isAlone) return undefined
  return writer.path.slice(mountPoint.length + 1)
}
