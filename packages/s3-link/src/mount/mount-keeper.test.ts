import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Secret } from '@berth/core'
import { requirement, temporaryDirectory } from '@berth/core/testing'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { expect, onTestFinished } from 'vitest'
import type { MountSpec } from '../driver/driver.ts'
import { defaultOptions } from '../driver/link-options.ts'
import { rclone } from '../driver/rclone.ts'
import { MountKeeper } from './mount-keeper.ts'
import { openRegistry } from './registry.ts'
import { noneWaits } from './spool.ts'
import { storeOf } from './store-of.ts'

const testMount = requirement('rclone', missingMount() ?? true)

testMount(
  'a daemon that has come again while the mount was looked at is not ended for another',
  async () => {
    const base = await temporaryDirectory()
    const server = await startS3Server()
    onTestFinished(() => server.close())
    const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secret = '' } = server.env
    const key = '0123456789ab'
    const places = { runtime: join(base, 'run'), cache: join(base, 'cache'), inMemory: false }
    const spec: MountSpec = {
      key,
      bucket: server.bucket,
      prefix: '',
      endpoint: server.directEndpoint,
      region: 'us-east-1',
      pathStyle: true,
      provider: 'unknown',
      credentials: { accessKeyId, secretAccessKey: new Secret(secret) },
      mountPoint: join(places.runtime, key, 'mount'),
      runtime: join(places.runtime, key, 'private'),
      cache: join(places.cache, key),
      options: { ...defaultOptions, writeBackMs: 100 },
    }
    await mkdir(spec.runtime, { recursive: true })
    const registry = openRegistry(places, key)
    const store = await storeOf(spec, { signal: new AbortController().signal })
    onTestFinished(() => store.close())
    // A look counts what waits before it judges.
    let hold: Promise<void> | undefined
    const count = async () => {
      const held = hold
      hold = undefined
      await held
      return noneWaits
    }
    const spool = { count, drain: async () => noneWaits }
    const keeper = new MountKeeper({
      driver: rclone,
      spec,
      store,
      registry,
      spool,
      isRevived: false,
    })
    await keeper.start()
    onTestFinished(async () => void (await keeper.stop(Date.now() + 20_000)))
    const before = (await registry.readMount())?.daemon?.pid ?? 0
    process.kill(before, 'SIGKILL')
    await keeper.awakened()
    await keeper.tick()
    let goOn = (): void => undefined
    hold = new Promise((resolve) => (goOn = resolve))
    const late = keeper.tick()
    while (hold !== undefined) await sleep(10)
    for (let tries = 0; tries < 300; tries++) {
      await keeper.tick()
      if ((await registry.readStatus())?.state === 'active') break
      await sleep(200)
    }
    const after = (await registry.readMount())?.daemon?.pid ?? 0
    expect(after).not.toBe(before)
    goOn()
    await late
    await keeper.tick()
    expect(await registry.readStatus()).toMatchObject({ state: 'active', restarts: 1 })
    expect((await registry.readMount())?.daemon?.pid).toBe(after)
    process.kill(after, 0)
  },
  120_000,
)

function missingMount(): string | undefined {
  const server = missingS3Server()
  if (server !== undefined) return server
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  const { error } = spawnSync('rclone', ['version'], { stdio: 'ignore' })
  return error === undefined ? undefined : 'it is not installed'
}
