import { Header } from 'tar'
import { expect, test } from 'vitest'
import { writePlainHeader } from './tar-header.ts'
import type { FileEntry } from './tree.ts'

const plain: FileEntry = {
  path: 'lib/a.py',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 1234,
  mtime: 1_700_000_000_123_456,
  sparse: false,
}

/** The block that the tar package makes; `undefined` where it would need a further one. */
function blockOf({ path, mode, uid, gid, size, mtime }: FileEntry): Buffer | undefined {
  const block = Buffer.alloc(512)
  const date = new Date(Math.floor(mtime / 1e6) * 1000)
  const header = new Header({ path, mode, uid, gid, size, mtime: date, type: 'File' })
  return header.encode(block, 0) ? undefined : block
}

test.each<[string, Partial<FileEntry>]>([
  ['an ordinary file', {}],
  ['an empty one of the epoch', { size: 0, mtime: 0, mode: 0 }],
  ['set-id bits', { mode: 0o7777 }],
  ['the largest ids with a space', { uid: 0o777777, gid: 0o777777 }],
  ['the smallest ids without one', { uid: 0o1000000, gid: 0o7777777 }],
  ['a size of nine digits', { size: 0o7777777777 }],
  ['the largest size', { size: 0x7fffffff }],
  ['99 characters', { path: 'x'.repeat(99) }],
  ['a name of 100 in a directory', { path: `d/${'x'.repeat(100)}` }],
  ['a directory of 130', { path: `${'d'.repeat(130)}/x` }],
  ['a directory of 155', { path: `${'d/'.repeat(77)}d/${'x'.repeat(100)}` }],
  ['100 characters with the slash in front', { path: `${'d'.repeat(50)}/${'x'.repeat(49)}` }],
])('writes %s as the tar package does', (_, more) => {
  const file = { ...plain, ...more }
  const block = Buffer.alloc(512, 0xff)
  expect(writePlainHeader(file, block)).toBe(true)
  expect(block).toEqual(blockOf(file))
})

test.each<[string, Partial<FileEntry>]>([
  ['a name with an umlaut', { path: 'ü' }],
  ['a byte that is not UTF-8', { path: 'a\uDCFF' }],
  ['100 characters without a directory', { path: 'x'.repeat(100) }],
  ['a name of 101', { path: `d/${'x'.repeat(101)}` }],
  ['a directory of 156', { path: `${'d'.repeat(156)}/x` }],
  ['an id of eight digits', { gid: 0o10000000 }],
  ['a time before the epoch', { mtime: -1 }],
  ['a size of more than 31 bits', { size: 2 ** 31 }],
])('leaves %s to the tar package', (_, more) => {
  const block = Buffer.alloc(512, 0xff)
  expect(writePlainHeader({ ...plain, ...more }, block)).toBe(false)
  expect(block).toEqual(Buffer.alloc(512, 0xff))
})
