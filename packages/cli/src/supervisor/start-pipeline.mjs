// As start.mjs, for a pipeline's process.
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

enableCompileCache(fileURLToPath(new URL('../../../../node_modules/.cache/berth', import.meta.url)))
await import('./pipeline-process.ts')
