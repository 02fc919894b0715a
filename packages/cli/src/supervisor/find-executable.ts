import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where programs live in images whose PATH is short. */
const usualDirectories = ['/usr/local/bin', '/usr/bin', '/bin', '/sbin', '/usr/sbin']

/** The first file of that name that may be executed, in PATH, in the usual directories, and in the further ones. */
export function findExecutable(name: string, further: readonly string[] = []): string | undefined {
  return [...(process.env.PATH ?? '').split(delimiter), ...usualDirectories, ...further]
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
