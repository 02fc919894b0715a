import { expect, test } from 'vitest'
import { mayDeleteLocal, mayOverwriteRemote } from './decisions.ts'

test('an object is replaced only while it is what we wrote, and never when it is the file already', () => {
  const etags = [undefined, '', 'ours', 'theirs']
  const table = etags.flatMap((etag) =>
    [undefined, '', 'ours'].flatMap((etagWeWrote) =>
      [true, false].map((holdsSame) => [
        `${etag} ${etagWeWrote} ${holdsSame}`,
        mayOverwriteRemote({ etag, etagWeWrote, holdsSame }),
      ]),
    ),
  )
  const written = table.filter(([, decision]) => decision === 'write').map(([facts]) => facts)
  expect(written).toEqual([
    'undefined undefined true',
    'undefined undefined false',
    'undefined  true',
    'undefined  false',
    'undefined ours true',
    'undefined ours false',
    'ours ours false',
  ])
  const kept = table.filter(([, decision]) => decision === 'keep-both').map(([facts]) => facts)
  expect(kept).toEqual([
    ' undefined false',
    '  false',
    ' ours false',
    'ours undefined false',
    'ours  false',
    'theirs undefined false',
    'theirs  false',
    'theirs ours false',
  ])
})

test('a file is removed only when nothing speaks against it', () => {
  const booleans = [true, false]
  const allowed = booleans.flatMap((isProven) =>
    booleans.flatMap((isUnchanged) =>
      (['none', 'some', 'unknown'] as const).flatMap((writers) =>
        booleans.flatMap((hasOwnName) =>
          booleans
            .map((isNewestOfSeries) => ({
              isProven,
              isUnchanged,
              writers,
              hasOwnName,
              isNewestOfSeries,
            }))
            .filter(mayDeleteLocal),
        ),
      ),
    ),
  )
  expect(allowed).toEqual([
    {
      isProven: true,
      isUnchanged: true,
      writers: 'none',
      hasOwnName: true,
      isNewestOfSeries: false,
    },
  ])
})
