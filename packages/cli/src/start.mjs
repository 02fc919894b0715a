// Plain JavaScript, so that the cache of compiled modules is on before the first TypeScript is read: stripping types costs more
// time and memory than everything else of a start. The cache lies in the checkout, so an image can be built with it filled.
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/berth', import.meta.url)))
await import('./main.ts')
