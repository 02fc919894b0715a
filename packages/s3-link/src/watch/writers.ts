import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The files below a folder that some process may still write to. */
export interface Writers {
  /** Names relative to the folder, as bytes in text. */
  names: Set<string>
  /** The open files of every process that this one can see were read. */
  isComplete: boolean
}

/**
 * Reads from `/proc` who has files below a folder open for writing; with `mapped`, which takes longer, also who has closed one that it still
 * maps for writing. Never touches a file itself, so that no mount can make it wait. `root` must be a real path; what another container
 * does is not seen.
 */
export function readWriters(root: string, mapped = false): Writers {
  const prefix = root === '/' ? '/' : `${Buffer.from(root).toString('latin1')}/`
  const writers: Writers = { names: new Set(), isComplete: true }
  const processes = readNames('/proc')
  if (processes === undefined) return { ...writers, isComplete: false }
  for (const pid of processes) {
    if (!/^\d+$/.test(pid)) continue
    const descriptors = readNames(`/proc/${pid}/fd`)
    if (descriptors === 'denied') writers.isComplete = false
    if (!Array.isArray(descriptors)) continue
    for (const descriptor of descriptors) {
      const path = linkOf(`/proc/${pid}/fd/${descriptor}`)
      if (path === undefined || !path.startsWith(prefix)) continue
      if (isForWriting(pid, descriptor)) writers.names.add(path.slice(prefix.length))
    }
    if (mapped) addMapped(pid, prefix, writers.names)
  }
  return writers
}

function readNames(path: string): string[] | 'denied' | undefined {
  try {
    return readdirSync(path)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'denied' : undefined
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path, { encoding: 'buffer' }).toString('latin1')
  } catch {
    return undefined
  }
}

function isForWriting(pid: string, descriptor: string): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'latin1')
    const [, flags = '0'] = /^flags:\s*([0-7]+)/m.exec(text) ?? []
    return (Number.parseInt(flags, 8) & 3) !== 0
  } catch {
    return false
  }
}

function addMapped(pid: string, prefix: string, names: Set<string>): void {
  let text
  try {
    text = readFileSync(`/proc/${pid}/maps`, 'latin1')
  } catch {
    // Gone by now, or a process that hides its memory, as an init or a key agent does: not one that writes pictures.
    return
  }
  for (const line of text.split('\n')) {
    const [, path] = /^\S+ .w.s \S+ \S+ \S+\s+(\/.*)$/.exec(line) ?? []
    if (path?.startsWith(prefix)) names.add(path.slice(prefix.length))
  }
}
