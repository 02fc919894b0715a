// ELOOP: it is a link now (O_NOFOLLOW); ENXIO: a socket.
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'])
const OURS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/**
 * Why a file could not be read, `gone` when it isn't there as a file any more: one file's trouble must not keep the others from being
 * saved. What isn't the file's own trouble is thrown.
 */
export function whyUnread(error: unknown): string {
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code) || OURS.has(code)) throw error
  if (GONE.has(code)) return 'gone'
  return code === 'EACCES' || code === 'EPERM' ? 'unreadable' : `unreadable (${code})`
}
