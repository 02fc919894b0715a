import { readdir, readFile, readlink } from 'node:fs/promises'

/**
 * The programs that have files open for writing below a folder, as `name (pid)`. Only links in `/proc` are read, never the folder itself,
 * which may hang.
 */
export async function openWriters(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(pids.map((pid) => writesBelow(pid, folder)))
  return found.filter((text) => text !== undefined)
}

async function writesBelow(pid: string, folder: string): Promise<string | undefined> {
  const table = `/proc/${pid}/fd`
  for (const name of await readdir(table).catch(() => [])) {
    const path = await readlink(`${table}/${name}`).catch(() => '')
    if (!path.startsWith(`${folder}/`)) continue
    const info = await readFile(`/proc/${pid}/fdinfo/${name}`, 'utf8').catch(() => '')
    const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(info)?.[1] ?? '0', 8)
    if ((flags & 3) === 0) continue
    const command = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
    return `${command.trim()} (${pid})`
  }
  return undefined
}
