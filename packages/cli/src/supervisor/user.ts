import { readFileSync } from 'node:fs'
import { BerthError } from '@berth/core/error'

export interface User {
  uid: number
  gid: number
  /** Further groups that it is a member of; none where a group was named, as with `docker run --user`. */
  groups: number[]
  /** What a login would set. */
  env: Record<string, string>
}

/** The files of an image. */
export interface UserTables {
  passwd: string
  group: string
}

/**
 * Looks up `name`, `uid` or either with `:group`. A uid or gid need not be in the files, which may be missing. Throws
 * `cli/unknown-user`.
 */
export function findUser(text: string, tables: UserTables = readTables()): User {
  const [wanted = '', wantedGroup] = text.split(':')
  const users = rowsOf(tables.passwd)
  const groups = rowsOf(tables.group)
  const entry = users.find(([name, , uid]) => name === wanted || uid === wanted)
  const uid = numberIn(entry?.[2] ?? wanted)
  const gid =
    wantedGroup === undefined
      ? numberIn(entry?.[3] ?? String(uid))
      : numberIn(groups.find(([name]) => name === wantedGroup)?.[2] ?? wantedGroup)
  if (uid === undefined || gid === undefined) throw unknownUser(text)
  const [name, , , , , home = '/'] = entry ?? []
  const isMember = ([, , , members = '']: string[]): boolean =>
    name !== undefined && members.split(',').includes(name)
  const further = groups.filter(isMember).flatMap(([, , id = '']) => numberIn(id) ?? [])
  return {
    uid,
    gid,
    groups: wantedGroup === undefined ? further.filter((id) => id !== gid) : [],
    env: name === undefined ? { HOME: '/' } : { USER: name, LOGNAME: name, HOME: home || '/' },
  }
}

function numberIn(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined
}

function readTables(): UserTables {
  return { passwd: textOf('/etc/passwd'), group: textOf('/etc/group') }
}

/** An image from scratch has neither. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function rowsOf(table: string): string[][] {
  return table
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':'))
}

function unknownUser(text: string): BerthError {
  return new BerthError(
    'cli/unknown-user',
    `could not start main as \`${text}\`: there is no such user or group`,
    { hint: 'name a user of /etc/passwd, or a uid, in `main.user`; `user:group` likewise' },
  )
}
