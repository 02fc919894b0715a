// Plain JavaScript, so that the cache of compiled modules is on before the first TypeScript is read: stripping types takes a thread
// longer, and more memory, than all else of its start. A thread does not inherit the cache of its process.
import { enableCompileCache } from 'node:module'

const [cache, script] = process.argv.slice(2)
if (cache !== '') enableCompileCache(cache)
await import(script)
