// Plain JavaScript, so that the cache of compiled modules is on before the first TypeScript is read: a thread that strips types
// itself takes twice the time and 15 MiB more to start.
import { enableCompileCache } from 'node:module'
import { workerData } from 'node:worker_threads'

const { compileCache, script } = workerData
if (compileCache !== undefined) enableCompileCache(compileCache)
await import(script)
