import { BerthError } from '@berth/core/error'
import type { ObjectStore, RequestOptions } from '@berth/object-store'
import { FORMAT, README_KEY, STORE_FILE_KEY } from '../format/format.ts'
import { newerFormat } from '../format/manifest.ts'
import { readmeText } from '../format/readme.ts'

/** Throws `archive/newer-format` when a later berth wrote this store; a store without `berth.json` is new. Answers whether it is there. */
export async function checkStoreFormat(
  store: ObjectStore,
  options: RequestOptions = {},
): Promise<boolean> {
  const bytes = await store.get(STORE_FILE_KEY, options)
  if (bytes === undefined) return false
  let format: unknown
  try {
    format = (JSON.parse(bytes.toString('utf8')) as { format?: unknown }).format
  } catch (cause) {
    throw badStoreFile(store, cause)
  }
  if (typeof format !== 'number') throw badStoreFile(store, undefined)
  if (format > FORMAT) throw newerFormat(`${STORE_FILE_KEY} in ${store.url}`, format)
  return true
}

/** For what is of no use without a store, and must not make one. Throws `archive/missing-store` where there is none. */
export async function requireStore(
  store: ObjectStore,
  options: RequestOptions = {},
): Promise<void> {
  if (await checkStoreFormat(store, options)) return
  throw new BerthError(
    'archive/missing-store',
    `there is no store at ${store.url}: it holds no ${STORE_FILE_KEY}`,
    {
      hint: 'correct the URL: `berth archive list --store URL` shows what a store holds; the first `berth archive save` makes one',
    },
  )
}

/** Writes `berth.json` and `README.txt` unless they are there; before the first chunk, so that no store is without its version. */
export async function createStoreFiles(
  store: ObjectStore,
  options: RequestOptions = {},
): Promise<void> {
  const conditionalWrites = await store.supportsConditionalWrites(options)
  await store.put(README_KEY, Buffer.from(readmeText()), { ...options, ifAbsent: true })
  await store.put(
    STORE_FILE_KEY,
    Buffer.from(`${JSON.stringify({ format: FORMAT, conditionalWrites })}\n`),
    {
      ...options,
      ifAbsent: true,
    },
  )
}

function badStoreFile(store: ObjectStore, cause: unknown): BerthError {
  return new BerthError(
    'archive/bad-store',
    `could not use ${store.url}: its ${STORE_FILE_KEY} is not one of berth's`,
    {
      hint: 'point the store at an empty prefix, or at one that berth wrote',
      cause,
    },
  )
}
