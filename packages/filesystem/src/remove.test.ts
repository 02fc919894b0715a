import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { removeTree } from './remove.ts'
import { asideName, temporaryName } from './temporary.ts'
import { missingMounts, runWithMounts } from './testing/program.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

test.each(['copy', 'tmp', 'probe', 'staging'] as const)(
  'removes a temporary of the kind %s',
  async (kind) => {
    const path = temporaryName(join(makeTemporaryDirectory(), 'venv'), kind)
    mkdirSync(join(path, 'locked'), { recursive: true })
    writeFileSync(join(path, 'locked/file'), '')
    chmodSync(join(path, 'locked'), 0o500)
    await removeTree(path)
    expect(existsSync(path)).toBe(false)
    await removeTree(path)
  },
)

test('removes what lies below a directory named .berth', async () => {
  const directory = makeTemporaryDirectory()
  mkdirSync(join(directory, '.berth/staging/x'), { recursive: true })
  await removeTree(join(directory, '.berth/staging'))
  expect(existsSync(join(directory, '.berth'))).toBe(true)
  expect(existsSync(join(directory, '.berth/staging'))).toBe(false)
})

test('removes nothing else: no directory of a user, nothing set aside, not .berth itself', async () => {
  const directory = makeTemporaryDirectory()
  const aside = await asideName(join(directory, 'venv'))
  for (const path of [
    join(directory, 'venv'),
    aside,
    join(directory, '.berth'),
    `${aside}/.cache`,
  ]) {
    mkdirSync(path, { recursive: true })
    await expect(removeTree(path)).rejects.toMatchObject({ code: 'filesystem/not-ours' })
    expect(existsSync(path)).toBe(true)
  }
  await expect(removeTree('/')).rejects.toMatchObject({ code: 'filesystem/system-root' })
})

test('removes a link in a temporary, not what it points to', async () => {
  const directory = makeTemporaryDirectory()
  mkdirSync(join(directory, 'data'))
  writeFileSync(join(directory, 'data/file'), 'kept')
  const temporary = temporaryName(join(directory, 'x'), 'tmp')
  mkdirSync(temporary)
  symlinkSync('../data', join(temporary, 'link'))
  await removeTree(temporary)
  expect(readFileSync(join(directory, 'data/file'), 'utf8')).toBe('kept')
})

test('refuses while something is mounted inside', async ({ skip }) => {
  const missing = missingMounts()
  skip(missing !== undefined, missing)
  const directory = makeTemporaryDirectory()
  const found = await runWithMounts(
    `cd '${directory}'; mkdir -p data .x.berth-tmp-1/inner/mounted; echo kept > data/file; mount --bind data .x.berth-tmp-1/inner/mounted`,
    `const error = await filesystem.removeTree(values + '/.x.berth-tmp-1').catch((error) => error)
     console.log(JSON.stringify([error.code, await filesystem.readFileIfPresent(values + '/data/file').then(String)]))`,
    directory,
  )
  expect(found).toEqual(['filesystem/mounted-below', 'kept\n'])
})
