import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type CommandAnswer, runShort } from '../mount/short-command.ts'

/** What is asked of a machine to find out whether buckets can be mounted on it. */
export interface Machine {
  uid: number
  /** The text of a file; empty where it can't be read. */
  read: (path: string) => string
  /** Why a file can't be opened for reading and writing: an error's name, or empty. */
  openError: (path: string) => string
  /** Where a program is that the user would start by its name. */
  findProgram: (name: string) => string | undefined
  /** The same for one that a daemon starts, whose PATH is the system's. */
  findHelper: (name: string) => string | undefined
  run: (command: readonly [string, ...string[]], withinMs: number) => Promise<CommandAnswer>
}

const systemFolders = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
]

/** This machine; programs are searched in `path`, and where the system has them when that is empty. */
export function thisMachine(path: string | undefined): Machine {
  const folders = (path ?? '').split(delimiter).filter(Boolean)
  return {
    uid: process.getuid?.() ?? 0,
    read,
    openError,
    findProgram: (name) => findIn(folders.length === 0 ? systemFolders : folders, name),
    findHelper: (name) => findIn(systemFolders, name),
    run: runShort,
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function openError(path: string): string {
  try {
    closeSync(openSync(path, constants.O_RDWR))
    return ''
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}

function findIn(folders: readonly string[], name: string): string | undefined {
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
