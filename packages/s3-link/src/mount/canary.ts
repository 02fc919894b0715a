import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import type { ObjectStore } from '@berth/object-store'
import type { MountSpec } from '../driver/driver.ts'
import { runShort } from './short-command.ts'

export interface CanaryQuestion {
  spec: MountSpec
  /** The bucket's own API, at the mount's prefix. */
  store: ObjectStore
  /** Makes the daemon look at the bucket again. */
  refresh: () => void
  withinMs: number
  signal: AbortSignal
}

/**
 * Proves that what is written through the mount is in the bucket, and what is in the bucket is seen through the mount; both under names
 * that nobody has asked for before. Throws `s3-link/canary` with the half that failed. Removes what it wrote.
 */
export async function flyCanary(question: CanaryQuestion): Promise<{ ms: number }> {
  const startedAt = performance.now()
  const names = [canaryName(), canaryName()] as const
  try {
    await throughMount(question, names[0])
    await throughStore(question, names[1])
  } finally {
    await question.store.remove(names).catch(() => undefined)
  }
  return { ms: Math.round(performance.now() - startedAt) }
}

async function throughMount(
  { spec, store, withinMs, signal }: CanaryQuestion,
  name: string,
): Promise<void> {
  const bytes = randomBytes(1024)
  const source = join(spec.runtime, name)
  await writeFile(source, bytes, { mode: 0o600 })
  const { result, code, said } = await runShort(
    ['cp', '--', source, join(spec.mountPoint, name)],
    withinMs,
  )
  await rm(source, { force: true })
  if (result === 'late') throw failed(spec, 'writing through the mount did not end')
  if (code !== 0) throw failed(spec, `a file could not be written through the mount: ${said}`)
  const end = performance.now() + withinMs
  for (let found: Buffer | undefined; ;) {
    found = await store.get(name, { signal })
    if (found?.equals(bytes)) break
    if (performance.now() > end) throw failed(spec, 'what was written is not in the bucket')
    await sleep(100, undefined, { signal })
  }
  const gone = await runShort(['rm', '-f', '--', join(spec.mountPoint, name)], withinMs)
  if (gone.code !== 0) await store.remove([name], { signal })
}

async function throughStore(
  { spec, store, refresh, withinMs, signal }: CanaryQuestion,
  name: string,
): Promise<void> {
  const text = randomBytes(512).toString('hex')
  await store.put(name, Buffer.from(text), { signal })
  const end = performance.now() + withinMs
  for (;;) {
    refresh()
    const { said } = await runShort(['cat', '--', join(spec.mountPoint, name)], withinMs)
    if (said === text) return
    if (performance.now() > end) throw failed(spec, 'what is in the bucket is not seen')
    await sleep(100, undefined, { signal })
  }
}

function canaryName(): string {
  return `.berth-canary-${randomBytes(8).toString('hex')}`
}

function failed({ bucket, mountPoint }: MountSpec, why: string): BerthError {
  return new BerthError(
    's3-link/canary',
    `could not trust the mount of \`${bucket}\` at \`${mountPoint}\`: ${why}`,
    {
      hint: 'see the log with `berth mounts --log`; use `driver: watch` meanwhile',
    },
  )
}
