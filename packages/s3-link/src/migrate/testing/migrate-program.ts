import child, { type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { openFileStore, type FileStore } from '@berth/object-store'

/**
 * Migrates a folder in a process of its own, which ends itself with SIGKILL before or after its n-th step: each call that changes a name or a
 * file, each program that it starts, and each request to S3. Writes which step that was into a file; prints the report and all steps when it
 * comes to its end.
 */
const { url, env, killAt, killedIn, withGap, ...settings } = JSON.parse(
  process.argv[2] ?? '{}',
) as {
  url: string
  env: Record<string, string>
  /** The number of the step, or what is done there the first time. */
  killAt: number | string
  killedIn: string
  /** The link doesn't take the folder's place in one step. */
  withGap: boolean
  folder: string
  target: string
  prefix: string
  state: string
  quiesceMs: number
  removeOriginals: boolean
}

const steps: string[] = []

function step(label: string): void {
  steps.push(label)
  if (steps.length !== killAt && label !== killAt) return
  writeFileSync(killedIn, label)
  process.kill(process.pid, 'SIGKILL')
}

function stepping<Owner extends object>(owner: Owner, names: readonly (keyof Owner)[]): void {
  for (const name of names) {
    const plain = owner[name] as (...values: unknown[]) => Promise<unknown>
    const wrapped = async function (this: unknown, ...values: unknown[]): Promise<unknown> {
      if (name === 'open' && !/[wa+]/.test(String(values[1]))) return plain.apply(this, values)
      const label = `${String(name)} ${values.map(kindOf).filter(Boolean).join(' to ')}`.trim()
      step(`before ${label}`)
      const result = await plain.apply(this, values)
      step(`after ${label}`)
      return result
    }
    owner[name] = wrapped as Owner[typeof name]
  }
}

/** What a path is to a migration. */
function kindOf(value: unknown): string {
  if (typeof value !== 'string' && !Buffer.isBuffer(value)) return ''
  const path = value.toString()
  if (path === settings.folder) return 'folder'
  if (path === settings.target) return 'target'
  if (path.startsWith(`${settings.prefix}/`)) return 'object'
  if (path.endsWith('.berth-evict')) return 'file aside'
  if (/\.berth-original(-\d+)?$/.test(path)) return 'original'
  if (path.includes('.berth-original')) return 'file of original'
  if (path.includes('.berth-tmp-')) return 'half-made journal'
  if (path.endsWith('files.jsonl')) return 'journal'
  return path.startsWith(settings.state) ? path.slice(settings.state.length + 1) || 'state' : ''
}

stepping(fs, ['rename', 'symlink', 'link', 'unlink', 'rm', 'rmdir', 'mkdir', 'open'])
const handle = await fs.open('/dev/null')
const names = ['appendFile', 'writeFile', 'datasync', 'sync'] as const
stepping(Object.getPrototypeOf(handle) as typeof handle, names)
await handle.close()
const { spawn } = child
child.spawn = ((...values: Parameters<typeof spawn>): ChildProcess => {
  step('before exchange')
  const started = spawn(...values)
  step('during exchange')
  return started.once('exit', () => step('after exchange'))
}) as typeof spawn
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
const report = await migrate({
  ...settings,
  store,
  ...(withGap && { exchange: async () => false }),
  makeFolders: async (folders) => {
    for (const name of folders) await fs.mkdir(join(settings.target, name), { recursive: true })
  },
})
await store.close()
process.stdout.write(JSON.stringify({ report, steps }))
