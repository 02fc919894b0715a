import { expect, test } from 'vitest'
import { createPlaces, matchPlaces, packFiles, unpackFiles } from './group-columns.ts'

const files = [
  { path: 'a', size: 0, mtime: -5, mode: 0o4755, uid: 0, gid: 4_294_967_294, sparse: false },
  {
    path: 'b/\udcff\n日本',
    size: 2 ** 40,
    mtime: Number.MAX_SAFE_INTEGER,
    mode: 0,
    uid: 1,
    gid: 2,
    sparse: true,
  },
  { path: 'c', size: 3, mtime: 4, mode: 0o644, uid: 7, gid: 8, sparse: false },
]

test('files come out of their columns as they went in', () => {
  const sent = structuredClone(packFiles(files))
  expect([...unpackFiles(sent)]).toEqual(files)
  expect([...unpackFiles(packFiles([]))]).toEqual([])
})

test('each file gets its own place, whichever could not be read', () => {
  const places = createPlaces(packFiles(files))
  places.addUnread('gone')
  places.add({ size: 1, mtime: 2, frame: 3, offset: 512 }, 'aa')
  places.addUnread('permission denied')
  expect(matchPlaces(files, structuredClone(places.finish()))).toEqual({
    read: [{ file: files[1], place: { size: 1, mtime: 2, frame: 3, offset: 512 } }],
    unread: [
      { file: files[0], reason: 'gone' },
      { file: files[2], reason: 'permission denied' },
    ],
  })
  expect(places.finish().hashes).toBe('aa')
})
