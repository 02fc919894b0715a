import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { requirement, temporaryDirectory } from '@berth/core/testing'
import { startStubS3 } from '@berth/object-store/testing'
import { endOf } from '../testing/programs.ts'
import type { DrainReport } from './watch.ts'
import type { WatchStatus } from './watch-status.ts'

const program = fileURLToPath(new URL('./testing/watch-program.ts', import.meta.url))
// A user namespace has limits of its own.
const limited = ['unshare', '--user', '--map-root-user', 'sh', '-c']
const limit = 'echo 3 > /proc/sys/user/max_inotify_watches && '

requirement('unshare', mayLimit())(
  'without watches of the kernel scans find everything, and it says so',
  async () => {
    const stub = await startStubS3()
    onTestFinished(() => stub.close())
    const base = await temporaryDirectory()
    const folder = join(base, 'output')
    for (let n = 0; n < 6; n++) await mkdir(join(folder, `${n}`), { recursive: true })
    const settings = {
      folder,
      state: join(base, 'state'),
      prefix: 'p',
      url: stub.url,
      env: stub.env,
    }
    const [first = '', ...rest] = limited
    const words = [...rest, `${limit}exec "$0" "$@"`, process.execPath, program]
    const child = spawn(first, [...words, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const end = endOf(child)
    await once(child.stdout, 'data')
    for (let n = 0; n < 6; n++) await writeFile(join(folder, `${n}/late.txt`), `${n}`)
    child.kill('SIGTERM')
    const { output } = await end
    const { report, status } = JSON.parse(output.replace('watching\n', '')) as {
      report: DrainReport
      status: WatchStatus
    }
    expect(report).toMatchObject({ isComplete: true })
    expect(status).toMatchObject({ hints: 'some', note: { code: 's3-link/no-watches' } })
    expect(stub.objects.size).toBeGreaterThanOrEqual(6)
  },
  60_000,
)

function mayLimit(): true | string {
  const [first = '', ...rest] = limited
  const { status, stderr } = spawnSync(first, [...rest, `${limit}true`], { encoding: 'utf8' })
  return status === 0 ? true : `the kernel's watches can't be limited: ${stderr.trim()}`
}
