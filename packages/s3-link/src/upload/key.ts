import { createHash } from 'node:crypto'
import { posix } from 'node:path'

const MAX_KEY_BYTES = 1024
const SHORT_HASH = 8

/** The bytes of a name in which every byte is one character, as names are kept here: those that are no UTF-8 stay what they are. */
export function pathOf(name: string): Buffer {
  return Buffer.from(name, 'latin1')
}

/** For people; what is no UTF-8 is shown as U+FFFD. */
export function shownName(name: string): string {
  return pathOf(name).toString()
}

/**
 * The key of a file: its path, where that can be a key. A path that is no UTF-8, is too long, or holds control characters keeps what
 * can be kept, and gets the hash of its bytes.
 */
export function keyOf(path: Buffer, roomBytes = MAX_KEY_BYTES): string {
  const text = path.toString()
  // The longer name of a conflict must have room too.
  const room = roomBytes - 1 - 64
  const isPlain =
    Buffer.from(text).equals(path) && !/\p{Cc}/u.test(text) && Buffer.byteLength(text) <= room
  if (isPlain) return text
  const hash = createHash('sha256').update(path).digest('hex')
  const clean = text.replaceAll(/[\p{Cc}\u{fffd}]/gu, '_')
  return withHash(shortened(clean, room - 1 - SHORT_HASH), hash.slice(0, SHORT_HASH))
}

/** Where a file goes whose key holds another's content: `a/pic~1f3a9c02.png`; with `whole` the entire hash. */
export function conflictKey(key: string, sha256: string, whole = false): string {
  return withHash(key, whole ? sha256 : sha256.slice(0, SHORT_HASH))
}

function withHash(key: string, hash: string): string {
  const { dir, name, ext } = posix.parse(key)
  return posix.join(dir, `${name}~${hash}${ext}`)
}

/** Cut in front of the extension, between characters. */
function shortened(key: string, bytes: number): string {
  if (Buffer.byteLength(key) <= bytes) return key
  const { ext } = posix.parse(key)
  const tail = Buffer.byteLength(ext) <= 32 ? ext : ''
  const stem = key.slice(0, key.length - tail.length)
  const cut = Buffer.from(stem).subarray(0, bytes - Buffer.byteLength(tail))
  return `${cut
    .toString()
    .replace(/\u{fffd}+$/u, '')
    .replace(/\/+$/, '')}${tail}`
}
