import type { Plugin } from 'rolldown'

/** Where what the sources name relative to themselves lies in the built package, relative to `lib/`. */
const PLACES: Record<string, string> = {
  '../../../node_modules/.cache/berth': '../.cache',
  '../../../../node_modules/.cache/berth': '../.cache',
  './keeper.ts': './keeper.cjs',
  './worker-start.mjs': './worker-start.mjs',
  './worker.ts': './worker.cjs',
  './reader-thread.ts': './reader-thread.cjs',
  'start-pipeline.mjs': './start-pipeline.cjs',
}

/** The same scripts in the executable; its threads need no start of their own. */
const SCRIPTS: Record<string, string> = {
  './keeper.ts': 'keeper.cjs',
  './worker-start.mjs': 'worker.cjs',
  './worker.ts': 'worker.cjs',
  './reader-thread.ts': 'reader-thread.cjs',
  'start-pipeline.mjs': 'start-pipeline.cjs',
}

const URLS = /new URL\('([^']+)', import\.meta\.url\)/g

/** A URL below `lib/`, as text of a program; `undefined` for one that the table doesn't know. */
export function urlInPackage(found: string): string | undefined {
  const place = PLACES[found]
  return place === undefined ? undefined : `new URL('${place}', import.meta.url)`
}

/** A URL that the executable knows (executable/start.cjs), as text of a program. */
export function urlInExecutable(found: string): string | undefined {
  const script = SCRIPTS[found]
  return script === undefined ? undefined : `new URL('file:///proc/self/exe/${script}')`
}

/** Lets `new URL('…', import.meta.url)` mean the same in the bundle. Throws for one that isn't known. */
export function placeUrls(place: (found: string) => string | undefined): Plugin {
  return {
    name: 'place-urls',
    transform(code, id) {
      if (id.includes('/node_modules/')) return undefined
      const placed = code.replaceAll(URLS, (_, found: string) => {
        const text = place(found)
        if (text === undefined)
          throw new Error(`${id} names ${found}, which the build does not know`)
        return text
      })
      return placed === code ? undefined : placed
    },
  }
}
