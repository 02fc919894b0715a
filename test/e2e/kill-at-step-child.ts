import fs from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'

// Loaded before a program, in each of its threads: kills the process just before its n-th call that changes a disk.
const KEY = 'kill-at-step'
const at = Number(process.env['KILL_AT_STEP'])
const count = isMainThread
  ? new Int32Array(new SharedArrayBuffer(4))
  : (getEnvironmentData(KEY) as unknown as Int32Array)
if (isMainThread) setEnvironmentData(KEY, count as never)

const CHANGES =
  /^(rename|link|symlink|unlink|rmdir|rm|mkdir|fsync|utimes|lutimes|futimes|ftruncate|truncate|f?l?chmod|f?l?chown|cp|copyFile|write|writev|writeFile|appendFile|sync|datasync|chmod|chown)(Sync)?$/

type Functions = Record<string, unknown>

function watch(functions: Functions): void {
  for (const [name, value] of Object.entries(functions)) wrap(functions, name, value)
}

function wrap(functions: Functions, name: string, value: unknown): void {
  if (!CHANGES.test(name) || typeof value !== 'function') return
  functions[name] = function (this: unknown, ...args: unknown[]): unknown {
    step(name, args)
    return value.apply(this, args) as unknown
  }
}

function step(name: string, args: readonly unknown[]): void {
  if (Atomics.add(count, 0, 1) + 1 !== at) return
  const place = args.find((arg) => typeof arg === 'string')
  const what = place === undefined ? '' : basename(String(place)).replaceAll(/[0-9a-f]{6,}/g, '…')
  fs.writeSync(2, `killed at ${name} ${what}\n`)
  process.kill(process.pid, 'SIGKILL')
}

watch(fs as unknown as Functions)
watch(promises as unknown as Functions)
const handle = await promises.open('/dev/null')
const methods = Object.getPrototypeOf(handle) as Functions
for (const name of Object.getOwnPropertyNames(methods)) {
  if (CHANGES.test(name)) wrap(methods, name, methods[name])
}
await handle.close()
syncBuiltinESMExports()
