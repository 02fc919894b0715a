import { BerthError } from '@berth/core/error'

/** Between an archive's name and its snapshots in a key. */
const SEPARATOR = '@'
/** Leaves room in a key, which has 1024, for the generation and for a directory of many names. */
const MAX_BYTES = 512

/** Throws `archive/bad-name` unless a name is a relative path of whole parts, none of them `@`. */
export function checkArchiveName(name: string): void {
  const why = problemOf(name)
  if (why === undefined) return
  throw new BerthError('archive/bad-name', `could not use the archive name \`${name}\`: ${why}`, {
    hint: 'write it as a relative path, such as `comfyui/venv`',
  })
}

function problemOf(name: string): string | undefined {
  if (name.startsWith('/')) return 'it begins with a slash'
  if (/\p{Cc}/u.test(name) || !name.isWellFormed()) return 'it holds characters that are no text'
  if (Buffer.byteLength(name) > MAX_BYTES) return `it is longer than ${MAX_BYTES} bytes`
  const part = name.split('/').find((each) => ['', '.', '..', SEPARATOR].includes(each))
  if (part === undefined) return undefined
  return part === '' ? 'it has an empty part' : `it has the part \`${part}\``
}
