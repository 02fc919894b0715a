import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listSnapshots } from '@berth/archive'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { berth, eventually, Pod } from './pod.ts'

const MIB = 1024 * 1024

/** Six files that don't compress; the first are written anew. */
function write(directory: string, count = 6): void {
  mkdirSync(directory, { recursive: true })
  for (let index = 0; index < count; index++)
    writeFileSync(join(directory, `f${index}`), randomBytes(MIB))
}

test('compacts while main runs, never at the shutdown, and lists it as what it is', async () => {
  const pod = new Pod('')
  const url = `file://${pod.directory}/store`
  const tree = join(pod.directory, 'tree')
  const writeRecipe = (every: string): void =>
    writeFileSync(
      pod.recipe,
      `
shutdown:
  - id: save
    uses: venv-archive/save
    with: { directory: "${tree}", store: "${url}", archive: app }
    every: ${every}
`,
    )
  const store = await openStore(url, { env: {} })
  const listAll = () => listSnapshots(store, 'app')
  writeRecipe('200ms')
  write(tree)
  const run = pod.boot(['--', 'sleep', '60'])
  await eventually(() => existsSync(join(pod.directory, 'store/latest/app/@')))
  write(tree, 4)
  const told =
    /compacted \(dead [\d.]+ MiB, rewritten [\d.]+ MiB, chunks before \d, chunks after \d\)/
  await eventually(
    () => told.test(run.stderr),
    () => run.stderr,
  )
  run.kill('SIGTERM')
  await run.ended
  expect((await listAll()).filter(({ compacted }) => compacted)).toHaveLength(1)
  writeRecipe('1h')
  write(tree, 4)
  await pod.boot(['--', 'true']).ended
  const [newest, before] = await listAll()
  expect([newest?.compacted, before?.compacted]).toEqual([false, true])
  const listed = spawnSync(berth, ['archive', 'list', 'app', '--store', url], { encoding: 'utf8' })
  const rows = listed.stdout.split('\n')
  const row = rows.findIndex((line) => line.endsWith('compacted'))
  expect(rows[row]).toContain('6 files')
  expect(rows[row + 1]).toMatch(/^0000000/)
}, 60_000)
