import { BerthError } from '@berth/core/error'
import { findExecutable } from './find-executable.ts'
import { findUser } from './user.ts'

/** How to start a command as somebody else. */
export interface UserCommand {
  command: string[]
  env: Record<string, string>
  /** For Node's own spawn, which gives up all further groups. */
  ids: { uid?: number; gid?: number }
  /** What is not as it should be. */
  warning: string | undefined
}

/**
 * Has a command run as `name`, `uid`, or either with `:group`. With further groups it is started by `setpriv`, where the image has that: Node can't
 * set them for a child alone. Throws `cli/unknown-user`, and `cli/main-not-started` for another user than ours where we aren't root.
 */
export function commandAs(text: string, command: string[]): UserCommand {
  const { uid, gid, groups, env } = findUser(text)
  const plain = { command, env, warning: undefined }
  if (process.getuid?.() !== 0) {
    if (uid === process.getuid?.() && gid === process.getgid?.()) return { ...plain, ids: {} }
    throw notAllowed(text)
  }
  if (groups.length === 0) return { ...plain, ids: { uid, gid } }
  const setpriv = findExecutable('setpriv')
  if (setpriv === undefined) {
    const warning = `main runs as \`${text}\` without its further groups (${groups.join(', ')}): setpriv, of util-linux, is not in this image`
    return { ...plain, ids: { uid, gid }, warning }
  }
  const options = [`--reuid=${uid}`, `--regid=${gid}`, `--groups=${groups.join(',')}`]
  return { command: [setpriv, ...options, '--', ...command], env, ids: {}, warning: undefined }
}

function notAllowed(text: string): BerthError {
  return new BerthError(
    'cli/main-not-started',
    `could not start main as \`${text}\`: this is user ${process.getuid?.()}, and only root may become another`,
    { hint: 'start the container as root, or leave out `main.user`' },
  )
}
