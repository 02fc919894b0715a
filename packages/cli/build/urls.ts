import type { Plugin } from 'rolldown'

/** Where what the sources name relative to themselves lies in the built package, relative to `lib/`. */
const PLACES: Record<string, string> = {
  '../../../node_modules/.cache/berth': '../.cache',
  '../../../../node_modules/.cache/berth': '../.cache',
  '../package.json': '../package.json',
  './keeper.ts': './keeper.mjs',
  './worker-start.mjs': './worker-start.mjs',
  './worker.ts': './worker.mjs',
  'start-pipeline.mjs': './start-pipeline.mjs',
}

const URLS = /new URL\('([^']+)', import\.meta\.url\)/g

/** Lets `new URL('…', import.meta.url)` mean the same in the bundle. Throws for one that the table doesn't know. */
export function placeUrls(): Plugin {
  return {
    name: 'place-urls',
    transform(code, id) {
      if (id.includes('/node_modules/')) return undefined
      const placed = code.replaceAll(URLS, (_, found: string) => {
        const place = PLACES[found]
        if (place === undefined)
          throw new Error(`${id} names ${found}, which the build does not know`)
        return `new URL('${place}', import.meta.url)`
      })
      return placed === code ? undefined : placed
    },
  }
}
