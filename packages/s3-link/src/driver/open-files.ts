import { readdir, readlink, stat } from 'node:fs/promises'

export interface OpenFile {
  /** As the process's descriptors name it, also when the name is gone by now. */
  path: string
  /** Where it can be read, also without a name. */
  descriptor: string
  bytes: number
}

/**
 * The files below a folder that a process has open, those without a name too, each once; empty when the process is gone. Looks at `/proc` alone,
 * and only where the descriptor leads to that folder is the file itself asked.
 */
export async function openFilesOf(pid: number, folder: string): Promise<OpenFile[]> {
  const table = `/proc/${pid}/fd`
  const names = await readdir(table).catch(() => [])
  const found = new Map<string, OpenFile>()
  await Promise.all(
    names.map(async (name) => {
      const descriptor = `${table}/${name}`
      const path = await readlink(descriptor).catch(() => '')
      if (!path.startsWith(`${folder}/`)) return
      const facts = await stat(descriptor).catch(() => undefined)
      // s3fs sends a file through a second descriptor of it.
      const which = facts === undefined ? descriptor : `${facts.dev}:${facts.ino}`
      found.set(which, { path, descriptor, bytes: facts?.size ?? 0 })
    }),
  )
  return [...found.values()]
}
