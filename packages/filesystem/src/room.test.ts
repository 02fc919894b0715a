import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readRoom, requireRoom } from './room.ts'
import { missingMounts, runWithMounts } from './testing/program.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

test('asks the deepest directory that exists', async () => {
  const directory = makeTemporaryDirectory()
  const { freeBytes, freeInodes } = await readRoom(join(directory, 'not/there/yet'))
  const { bavail, bsize } = statfsSync(directory)
  expect(Math.abs(freeBytes - bavail * bsize)).toBeLessThan(1e9)
  expect(freeInodes === undefined || freeInodes > 0).toBe(true)
})

test('lets pass what fits', async () => {
  const attempt = requireRoom(makeTemporaryDirectory(), { bytes: 1, files: 1 }, 'restore `venv`')
  await expect(attempt).resolves.toBeUndefined()
})

test('names what is needed, what is free and where', async () => {
  const directory = makeTemporaryDirectory()
  const attempt = requireRoom(directory, { bytes: 9e18, files: 1 }, 'restore `venv`')
  await expect(attempt).rejects.toMatchObject({
    code: 'filesystem/no-room',
    message: expect.stringMatching(
      /^could not restore `venv`: 9000000\.0 TB are needed and [\d.]+ [kMGT]?B are free at `.*`$/,
    ),
  })
})

test('counts the inodes of a small disk', async ({ skip }) => {
  const missing = missingMounts()
  skip(missing !== undefined, missing)
  const directory = makeTemporaryDirectory()
  const message = await runWithMounts(
    `mount -t tmpfs -o size=1m,nr_inodes=10 none '${directory}'`,
    `await filesystem.requireRoom(values, { bytes: 1000, files: 5 }, 'copy')
     const error = await filesystem.requireRoom(values, { bytes: 1000, files: 50 }, 'copy').catch((error) => error)
     console.log(JSON.stringify(error.message))`,
    directory,
  )
  expect(message).toBe(
    `could not copy: 50 files are needed and 9 inodes are free at \`${directory}\``,
  )
})
