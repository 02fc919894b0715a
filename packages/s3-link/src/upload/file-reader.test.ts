import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '@berth/core/testing'
import { FileReader, type ReadFile } from './file-reader.ts'

test('reads whole files with their hashes, many at once, into memory that is used again', async () => {
  const { reader, folder } = await begin()
  const bodies = Array.from({ length: 40 }, (_, n) => randomBytes(n * 50_000))
  for (const [n, body] of bodies.entries()) await writeFile(join(folder, `${n}`), body)
  for (let round = 0; round < 2; round++) {
    reader.wantsMd5 = round === 1
    const found = await Promise.all(
      bodies.map((_, n) => reader.read(Buffer.from(join(folder, `${n}`)), 1_800_000)),
    )
    for (const [n, body] of bodies.entries()) {
      if (body.length > 1_800_000) {
        expect(found[n]).toBe('large')
        continue
      }
      const { facts, sha256, md5, body: bytes, release } = found[n] as ReadFile
      expect(facts.size).toBe(body.length)
      expect(Buffer.from(bytes).equals(body)).toBe(true)
      expect(sha256).toBe(createHash('sha256').update(body).digest('hex'))
      expect(md5).toBe(round === 1 ? createHash('md5').update(body).digest('hex') : undefined)
      release()
    }
  }
})

test('what is no regular file is gone, and what can’t be read is told with its errno', async () => {
  const { reader, folder } = await begin()
  await mkdir(join(folder, 'folder'))
  await symlink('folder', join(folder, 'link'))
  for (const name of ['none', 'link', 'folder'])
    expect(await reader.read(Buffer.from(join(folder, name)), 10)).toBe('gone')
  const long = Buffer.from(join(folder, 'x'.repeat(300)))
  await expect(reader.read(long, 10)).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
})

test('what is asked of a thread that ends is told, and the next one is another thread’s', async () => {
  const { reader, folder } = await begin()
  await writeFile(join(folder, 'a'), 'a')
  await chmod(join(folder, 'a'), 0o600)
  const path = Buffer.from(join(folder, 'a'))
  const asked = reader.read(path, 10).catch((error: Error) => error.message)
  await reader.close()
  expect(await asked).toContain('has ended')
  expect(await reader.read(path, 10)).toMatchObject({ facts: { size: 1 } })
})

async function begin(): Promise<{ reader: FileReader; folder: string }> {
  const reader = new FileReader()
  onTestFinished(() => reader.close())
  return { reader, folder: await temporaryDirectory() }
}
