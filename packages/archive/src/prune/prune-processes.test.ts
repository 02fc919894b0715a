import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openStore } from '@berth/object-store'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { expect, test } from 'vitest'
import { listSnapshots } from '../snapshots/list-snapshots.ts'
import { findMissing } from '../snapshots/store-testing.ts'
import { newDirectory } from '../testing.ts'
import { verifyArchive } from '../verify/verify.ts'

const INDEX = fileURLToPath(new URL('../index.ts', import.meta.url))
const STORE = import.meta.resolve('@berth/object-store')
/** An hour, the shortest grace, is eight seconds here: time goes by so much faster for whoever measures how long something takes. */
const GRACE_MS = 8000
const FASTER = (60 * 60 * 1000) / GRACE_MS
const LIMIT_MS = 60_000

const COMMON = `
import { openStore } from ${JSON.stringify(STORE)}
import { pruneStore, saveTree } from ${JSON.stringify(INDEX)}
import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
const store = await openStore(process.env.STORE_URL, { env: process.env })
const now = () => Date.now() * ${FASTER}
const end = Date.now() + ${LIMIT_MS}
const isOver = () => Date.now() > end || existsSync(process.env.STOP)
`

/** Content that comes, goes and comes again under its old names. */
const SAVER = `${COMMON}
const directory = process.env.TREE
mkdirSync(directory, { recursive: true })
let saved = 0, refused = 0
for (let round = 0; !isOver(); round++) {
  const path = join(directory, 'file-' + (round % 4))
  writeFileSync(path, 'content ' + (round % 4))
  utimesSync(path, 1700000000, 1700000000)
  rmSync(join(directory, 'file-' + ((round + 2) % 4)), { force: true })
  try {
    await saveTree({ store, directory, name: process.env.NAME, now, acceptVanished: true })
    saved++
  } catch (error) {
    if (error.code !== 'archive/pruned') throw error
    refused++
  }
}
console.log(JSON.stringify({ saved, refused }))
`

const PRUNER = `${COMMON}
let removed = 0, forgotten = 0
const retention = { keepLast: 1, keepDaily: 0, keepWeekly: 0, siblingsMs: ${GRACE_MS} }
while (!isOver()) {
  const result = await pruneStore({ store, now, retention, graceMs: ${GRACE_MS} }).catch((error) => {
    // No save has made it yet.
    if (error.code !== 'archive/missing-store') throw error
    return { removed: { objects: 0, snapshots: [] } }
  })
  removed += result.removed.objects
  forgotten += result.removed.snapshots.length
  if (removed > 0 && forgotten > 0) writeFileSync(process.env.STOP, '')
  await new Promise((resolve) => setTimeout(resolve, 200))
}
console.log(JSON.stringify({ removed, forgotten }))
`

function run(script: string, env: NodeJS.ProcessEnv): Promise<Record<string, number>> {
  const path = join(newDirectory(), 'run.mjs')
  writeFileSync(path, script)
  const child = spawn(process.execPath, [path], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
  return new Promise((resolve, reject) =>
    child.on('close', (code) =>
      code === 0
        ? resolve(JSON.parse(output) as Record<string, number>)
        : reject(new Error(`it ended with ${code}`)),
    ),
  )
}

/** Answers what is missing or damaged at the end. */
async function race(url: string, env: NodeJS.ProcessEnv): Promise<unknown[]> {
  const base = newDirectory()
  const own = { ...env, STORE_URL: url, STOP: join(base, 'stop') }
  const [one, two, first, second] = await Promise.all([
    run(SAVER, { ...own, TREE: join(base, 'one', 'tree'), NAME: 'shared' }),
    run(SAVER, { ...own, TREE: join(base, 'two', 'tree'), NAME: 'shared' }),
    run(PRUNER, own),
    run(PRUNER, own),
  ])
  expect(Math.min(one.saved ?? 0, two.saved ?? 0)).toBeGreaterThan(3)
  expect((first.removed ?? 0) + (second.removed ?? 0)).toBeGreaterThan(0)
  expect((first.forgotten ?? 0) + (second.forgotten ?? 0)).toBeGreaterThan(0)
  const store = await openStore(url, { env })
  const { problems } = await verifyArchive({ store, name: 'shared' })
  expect((await listSnapshots(store, 'shared')).length).toBeGreaterThan(0)
  const missing = await findMissing(store)
  await store.close()
  return [...missing, ...problems]
}

test('two prunes and two saves in processes of their own leave every listed snapshot whole', async ({
  skip,
}) => {
  const missing = missingS3Server()
  if (missing !== undefined) skip(missing)
  const server = await startS3Server()
  try {
    const local = race(`file://${newDirectory()}/store`, {})
    const ends = await Promise.allSettled([local, race(server.url, server.env)])
    expect(ends).toEqual([
      { status: 'fulfilled', value: [] },
      { status: 'fulfilled', value: [] },
    ])
  } finally {
    await server.close()
  }
}, 120_000)
