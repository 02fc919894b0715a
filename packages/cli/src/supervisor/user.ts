import { readFileSync } from 'node:fs'
import { BerthError } from '@berth/core/error'

export interface User {
  uid: number
  gid: number
  /** What a login would set. */
  env: Record<string, string>
}

/** Looks up `name`, `uid` or either with `:group` in /etc/passwd and /etc/group. Throws `cli/unknown-user`. */
export function findUser(text: string): User {
  const [wanted = '', wantedGroup] = text.split(':')
  const entry = readTable('/etc/passwd').find(([name, , uid]) => name === wanted || uid === wanted)
  const uid = Number(entry?.[2] ?? wanted)
  const gid = wantedGroup === undefined ? Number(entry?.[3] ?? uid) : findGroup(wantedGroup, text)
  if (wanted === '' || !Number.isInteger(uid) || !Number.isInteger(gid)) throw unknownUser(text)
  const [name, , , , , home] = entry ?? []
  const env: Record<string, string> =
    name === undefined ? {} : { USER: name, LOGNAME: name, HOME: home ?? '/' }
  return { uid, gid, env }
}

function findGroup(wanted: string, text: string): number {
  const entry = readTable('/etc/group').find(([name, , gid]) => name === wanted || gid === wanted)
  const gid = Number(entry?.[2] ?? wanted)
  if (wanted === '' || !Number.isInteger(gid)) throw unknownUser(text)
  return gid
}

function readTable(file: string): string[][] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':'))
}

function unknownUser(text: string): BerthError {
  return new BerthError(
    'cli/unknown-user',
    `could not start main as \`${text}\`: there is no such user`,
    {
      hint: 'name a user of /etc/passwd, or a uid, in `main.user`',
    },
  )
}
