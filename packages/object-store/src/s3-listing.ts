import { unquote } from './s3-answer.ts'
import type { S3Page } from './s3-requests.ts'
import type { ObjectInfo } from './store.ts'

const TAG = /<(\/?)([A-Za-z0-9]+)(?: xmlns="[^"<>&]*")?(\/?)>/y
const TEXT = /[^<]*/y
// Characters that XML can't hold as they are, or that a reader would change.
const ODD = /(?![\t\n])\p{Cc}|\u{fffd}/u
const ENTITIES = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])
const ROOT = 'ListBucketResult'
const ENTRY = `${ROOT}/Contents`

/**
 * Reads the answer to a listing by its grammar; `undefined` for everything that is not exactly so, which is then for the SDK to
 * understand: another document, comments, encoded keys, a field that is missing, given twice or malformed.
 */
export function readListing(bytes: Buffer): S3Page | undefined {
  try {
    return toPage(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    if (error instanceof TypeError || error instanceof Unusual) return undefined
    throw error
  }
}

class Unusual extends Error {}

type Fields = Map<string, string>

function toPage(text: string): S3Page {
  const page: Fields = new Map()
  const entries: Fields[] = []
  walk(text, {
    open: (path) => {
      if (path === ENTRY) entries.push(new Map())
      if (path === `${ROOT}/CommonPrefixes`) throw new Unusual()
    },
    leaf: (path, value) => {
      const cut = path.lastIndexOf('/')
      const [parent, name] = [path.slice(0, cut), path.slice(cut + 1)]
      const fields = parent === ROOT ? page : parent === ENTRY ? entries.at(-1) : undefined
      if (fields?.has(name) && name !== 'ChecksumAlgorithm') throw new Unusual()
      fields?.set(name, value)
    },
  })
  const isTruncated = page.get('IsTruncated')
  const isOurs = page.has('Name') || page.has('KeyCount')
  // Some send the field without having been asked to encode; empty, it says that nothing is.
  const isEncoded = (page.get('EncodingType') ?? '') !== ''
  if (!isOurs || isEncoded || (isTruncated !== 'true' && isTruncated !== 'false'))
    throw new Unusual()
  const next = isTruncated === 'true' ? (page.get('NextContinuationToken') ?? '') : undefined
  return { objects: entries.map(toObject), next }
}

function toObject(fields: Fields): ObjectInfo {
  const [key, size, modified] = ['Key', 'Size', 'LastModified'].map((name) => fields.get(name))
  const isSize = size !== undefined && /^\d{1,15}$/.test(size)
  const isDate =
    modified !== undefined && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(modified)
  const modifiedAt = Date.parse(modified ?? '')
  if (key === undefined || key === '' || !isSize || !isDate || Number.isNaN(modifiedAt))
    throw new Unusual()
  const etag = unquote(fields.get('ETag'))
  return { key, size: Number(size), modifiedAt, ...(etag !== undefined && { etag }) }
}

interface Walk {
  open: (path: string) => void
  /** An element without others in it. */
  leaf: (path: string, value: string) => void
}

function walk(text: string, { open, leaf }: Walk): void {
  const start = /^\u{feff}?(?:<\?xml [^<>]*\?>)?\s*/u.exec(text)?.[0].length ?? 0
  let at = start
  const path: string[] = []
  let isLeaf = false
  let isOver = false
  while (at < text.length) {
    TEXT.lastIndex = at
    const content = TEXT.exec(text)?.[0] ?? ''
    at += content.length
    if (at === text.length && path.length === 0 && content.trim() === '') break
    TAG.lastIndex = at
    const [tag, close, name = '', empty] = TAG.exec(text) ?? []
    if (tag === undefined || isOver || (path.length === 0 && name !== ROOT)) throw new Unusual()
    at += tag.length
    if (close === '/') {
      if (path.at(-1) !== name || empty === '/') throw new Unusual()
      if (isLeaf) leaf(path.join('/'), decode(content))
      else if (content.trim() !== '') throw new Unusual()
      path.pop()
      isLeaf = false
      isOver = path.length === 0
      continue
    }
    // Text between elements is nobody's.
    if (content.trim() !== '') throw new Unusual()
    path.push(name)
    open(path.join('/'))
    isLeaf = true
    if (empty !== '/') continue
    leaf(path.join('/'), '')
    path.pop()
    isLeaf = false
  }
  if (!isOver) throw new Unusual()
}

function decode(text: string): string {
  if (ODD.test(text)) throw new Unusual()
  return text.replaceAll(
    /&(?:([a-z]+)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));|&/g,
    (_, name, ten, hex) => {
      const number = ten === undefined ? parseInt(hex ?? '', 16) : Number(ten)
      const isCharacter = number > 0 && number <= 0x10ffff && (number < 0xd800 || number > 0xdfff)
      const found = ENTITIES.get(name) ?? (isCharacter ? String.fromCodePoint(number) : undefined)
      if (found === undefined) throw new Unusual()
      return found
    },
  )
}
