import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { openFileStore, type FileStore } from '@berth/object-store'

/**
 * Migrates a folder in a process of its own, which ends itself with SIGKILL before or after its n-th step: each call that changes a file, and
 * each request to S3. Prints the report and the number of steps when it comes to its end.
 */
const { url, env, killAt, ...settings } = JSON.parse(process.argv[2] ?? '{}') as {
  url: string
  env: Record<string, string>
  killAt: number
  folder: string
  target: string
  prefix: string
  state: string
  quiesceMs: number
}

let steps = 0

function step(): void {
  steps += 1
  if (steps === killAt) process.kill(process.pid, 'SIGKILL')
}

function stepping<Owner extends object>(owner: Owner, names: readonly (keyof Owner)[]): void {
  for (const name of names) {
    const plain = owner[name] as (...values: unknown[]) => Promise<unknown>
    const wrapped = async function (this: unknown, ...values: unknown[]): Promise<unknown> {
      step()
      const result = await plain.apply(this, values)
      step()
      return result
    }
    owner[name] = wrapped as Owner[typeof name]
  }
}

stepping(fs, ['rename', 'symlink', 'link', 'unlink', 'rm', 'mkdir'])
const handle = await fs.open('/dev/null')
stepping(Object.getPrototypeOf(handle) as typeof handle, ['appendFile', 'writeFile', 'datasync'])
await handle.close()
syncBuiltinESMExports()

// After the patch: the modules below take the functions as they are now.
const { migrate } = await import('../migrate.ts')
const store = await openFileStore(url, { env })
stepping<FileStore>(store, [
  'head',
  'put',
  'createUpload',
  'putPart',
  'listParts',
  'completeUpload',
  'abortUpload',
])
const report = await migrate({ ...settings, store })
await store.close()
process.stdout.write(JSON.stringify({ report, steps }))
