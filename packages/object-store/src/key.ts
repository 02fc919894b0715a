import { BerthError } from '@berth/core/error'

/** Drivers keep their own short-lived objects below this component; no key may start with it and no listing shows it. */
export const reservedComponent = '.berth-tmp'

const maxKeyBytes = 1024

/** Throws `object-store/bad-key` unless the key is a relative path of whole components. */
export function checkKey(key: string): void {
  const problem = keyProblem(key)
  if (problem === undefined) return
  throw new BerthError('object-store/bad-key', `the key \`${printable(key)}\` ${problem}`, {
    hint: 'use a relative path with `/` between its parts, such as `comfyui/venv`',
  })
}

/** Like `checkKey`, for the start of a key: empty, and with any text after the last slash. */
export function checkPrefix(prefix: string): void {
  if (prefix !== '') checkKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)
}

export function isReserved(key: string): boolean {
  return key === reservedComponent || key.startsWith(`${reservedComponent}/`)
}

/** The order in which S3 lists: by UTF-8 bytes, which differs from JavaScript's own order beyond U+D7FF. */
export function compareKeys(left: string, right: string): number {
  if (left === right) return 0
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}

function keyProblem(key: string): string | undefined {
  if (key === '') return 'is empty'
  if (key.startsWith('/')) return 'starts with a slash'
  if (key.includes('\0')) return 'holds a NUL'
  if (!key.isWellFormed()) return 'is not valid Unicode'
  if (Buffer.byteLength(key) > maxKeyBytes) return `is longer than ${maxKeyBytes} bytes`
  if (isReserved(key)) return `starts with \`${reservedComponent}\`, which belongs to the store`
  for (const component of key.split('/')) {
    if (component === '') return 'has an empty part'
    if (component === '.' || component === '..') return `has the part \`${component}\``
  }
  return undefined
}

function printable(key: string): string {
  const shown = key.toWellFormed().replaceAll(/\p{Cc}/gu, '\u{fffd}')
  return shown.length > 120 ? `${shown.slice(0, 119)}…` : shown
}
