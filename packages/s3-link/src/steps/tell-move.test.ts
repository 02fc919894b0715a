import { expect, test } from 'vitest'
import type { MigrationReport } from '../migrate/migrate.ts'
import { tellMove } from './tell-move.ts'

const report: MigrationReport = {
  state: 'moved',
  files: 8,
  bytes: 64,
  news: 8,
  sentBytes: 64,
  renamed: [],
  leftOut: [],
  unsettled: [],
  refused: [],
  openFiles: [],
  originals: ['/w/output.berth-original'],
}

test('tells what is sent now from what was sent before', () => {
  expect(toldOf({})[0]).toBe('moved 8 files, 64 B, into `art`')
  expect(toldOf({ news: 2, sentBytes: 16 })[0]).toBe(
    'sent 2 files, 16 B, into `art`; 6 were sent before',
  )
  expect(toldOf({ news: 7, sentBytes: 63 })[0]).toContain('; 1 was sent before')
  expect(toldOf({ news: 0, sentBytes: 0 })[0]).toBe(
    'moved no new files into `art`; 8 were sent before',
  )
  // One that changed while it was sent.
  expect(toldOf({ news: 9 })[0]).toBe('moved 8 files, 64 B, into `art`')
})

test('names what stays behind, and says how many more there are', () => {
  const leftOut = [
    { path: 'lnk', why: 'a link' },
    ...Array.from({ length: 21 }, (_, number) => ({ path: `p${number}`, why: 'no regular file' })),
  ]
  const [, , left = ''] = toldOf({ leftOut })
  expect(left).toMatch(/^warn: stayed behind in the original: lnk \(a link\), p0 \(no regular/)
  expect(left).toMatch(/p18 \(no regular file\), 2 others$/)
})

test('tells what was removed before where the rest is', () => {
  const kept = [{ path: 'lnk', why: 'a link' }]
  const told = toldOf({ state: 'unchanged', removed: { files: 5, bytes: 40, kept }, leftOut: kept })
  expect(told).toEqual([
    'removed the originals of 5 files, 40 B, which the bucket has',
    'warn: kept `lnk`: a link',
    'what is left of it is kept in `/w/output.berth-original`',
  ])
})

function toldOf(changes: Partial<MigrationReport>): string[] {
  const told: string[] = []
  const log = Object.assign((text: string) => void told.push(text), {
    warn: (text: string) => void told.push(`warn: ${text}`),
  })
  tellMove({ ...report, ...changes }, 'art', log)
  return told
}
