import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory, readFileIfPresent, writeFileAtomic } from './file.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

test('writes a file with its parents, and leaves no temporary', async () => {
  const directory = makeTemporaryDirectory()
  await writeFileAtomic(join(directory, 'a/b/file'), 'text', { mode: 0o600, directoryMode: 0o700 })
  expect(readFileSync(join(directory, 'a/b/file'), 'utf8')).toBe('text')
  expect(statSync(join(directory, 'a/b/file')).mode & 0o777).toBe(0o600)
  expect(statSync(join(directory, 'a')).mode & 0o777).toBe(0o700)
  expect(readdirSync(join(directory, 'a/b'))).toEqual(['file'])
})

test('replaces a file and a symlink, not what the link points to', async () => {
  const directory = makeTemporaryDirectory()
  writeFileSync(join(directory, 'target'), 'kept')
  symlinkSync('target', join(directory, 'link'))
  await writeFileAtomic(join(directory, 'link'), Buffer.from('new'))
  await writeFileAtomic(join(directory, 'link'), 'newer')
  expect(readFileSync(join(directory, 'link'), 'utf8')).toBe('newer')
  expect(readFileSync(join(directory, 'target'), 'utf8')).toBe('kept')
})

test('takes a name of 255 bytes', async () => {
  const name = 'é'.repeat(127)
  const directory = makeTemporaryDirectory()
  await writeFileAtomic(join(directory, name), 'x')
  expect(readdirSync(directory)).toEqual([name])
})

test('shows a reader the old content or the new, never a part', async () => {
  const path = join(makeTemporaryDirectory(), 'file')
  const contents = ['a', 'b'].map((sign) => sign.repeat(300_000))
  await writeFileAtomic(path, contents[0] ?? '')
  const writing = Promise.all(
    [0, 1, 0, 1, 1, 0].map((index) => writeFileAtomic(path, contents[index] ?? '')),
  )
  let isDone = false
  void writing.finally(() => (isDone = true))
  let reads = 0
  while (!isDone) {
    expect(contents).toContain((await readFileIfPresent(path))?.toString())
    reads += 1
  }
  await writing
  expect(reads).toBeGreaterThan(1)
})

test('reads nothing where there is nothing, and throws the rest', async () => {
  const directory = makeTemporaryDirectory()
  writeFileSync(join(directory, 'file'), 'x')
  expect(await readFileIfPresent(join(directory, 'absent'))).toBeUndefined()
  expect(await readFileIfPresent(join(directory, 'file/below'))).toBeUndefined()
  await expect(readFileIfPresent(directory)).rejects.toMatchObject({ code: 'EISDIR' })
})

test('says that a file is in the way of a directory', async () => {
  const directory = makeTemporaryDirectory()
  writeFileSync(join(directory, 'file'), 'x')
  await expect(makeDirectory(join(directory, 'file/below'))).rejects.toMatchObject({
    code: 'filesystem/not-a-directory',
  })
  mkdirSync(join(directory, 'there'))
  await makeDirectory(join(directory, 'there'))
})
