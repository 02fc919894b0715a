import { constants } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'

export interface OpenForWriting {
  pid: string
  path: string
  /** Where the next write goes, in bytes. */
  position: number
}

/**
 * The files below a folder that programs have open for writing. Only links in `/proc` are read, never the folder itself, which may
 * hang.
 */
export async function openForWriting(folder: string): Promise<OpenForWriting[]> {
  return (await openFiles(folder)).filter(({ flags }) => (flags & 3) !== 0)
}

/** The files below a folder that programs have open, for whatever. */
export async function openPaths(folder: string): Promise<Set<string>> {
  const files = (await openFiles(folder)).filter(({ flags }) => !(flags & constants.O_DIRECTORY))
  return new Set(files.map(({ path }) => path))
}

/** The programs that have files open for writing below a folder, as `name (pid)`. */
export async function openWriters(folder: string): Promise<string[]> {
  const pids = new Set((await openForWriting(folder)).map(({ pid }) => pid))
  return Promise.all(
    [...pids].map(async (pid) => {
      const command = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
      return `${command.trim()} (${pid})`
    }),
  )
}

interface Opened extends OpenForWriting {
  flags: number
}

async function openFiles(folder: string): Promise<Opened[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  return (await Promise.all(pids.map((pid) => openBelow(pid, folder)))).flat()
}

async function openBelow(pid: string, folder: string): Promise<Opened[]> {
  const table = `/proc/${pid}/fd`
  const found: Opened[] = []
  for (const name of await readdir(table).catch(() => [])) {
    const path = await readlink(`${table}/${name}`).catch(() => '')
    if (!path.startsWith(`${folder}/`)) continue
    const info = await readFile(`/proc/${pid}/fdinfo/${name}`, 'utf8').catch(() => '')
    const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(info)?.[1] ?? '0', 8)
    found.push({ pid, path, flags, position: Number(/^pos:\s*(\d+)/m.exec(info)?.[1] ?? 0) })
  }
  return found
}
