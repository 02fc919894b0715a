import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, test } from 'vitest'
import { doubtStore } from './store-doubt.ts'

test('doubts nothing that is there and can be written, and no bucket', async () => {
  expect(await doubtStore(`file://${await temporaryDirectory()}`)).toBeUndefined()
  expect(await doubtStore('s3://nowhere/at-all')).toBeUndefined()
  expect(await doubtStore('')).toBeUndefined()
})

test('says of a directory that is not there who makes it, and makes nothing', async () => {
  const url = `file://${await temporaryDirectory()}/not/there`
  const text = `${url} does not exist yet; the first save makes it`
  expect(await doubtStore(url)).toEqual({ text, canSave: true })
  expect(await doubtStore(url)).toEqual({ text, canSave: true })
})

test('says why nothing can be saved, in the kernel’s own trees and below a file', async () => {
  expect(await doubtStore('file:///proc/berth-store')).toMatchObject({
    canSave: false,
    text: expect.stringMatching(
      /^file:\/\/\/proc\/berth-store does not exist, and no save can make it: \/proc: /,
    ),
  })
  const file = join(await temporaryDirectory(), 'file')
  await writeFile(file, '')
  expect(await doubtStore(`file://${file}`)).toEqual({
    text: `nothing can be saved to file://${file}: it is no directory`,
    canSave: false,
  })
  expect(await doubtStore(`file://${file}/store`)).toMatchObject({ canSave: false })
})
