import { expect, test } from 'vitest'
import { callIn } from './system-calls.ts'

test.each([
  [
    '12 openat(AT_FDCWD</>, "/mnt/a/b.py", O_WRONLY|O_CREAT|O_EXCL, 0644) = 21</mnt/a/b.py>',
    'openat',
  ],
  ['12 write(21</mnt/a/b.py>, ""..., 812) = 812', 'write'],
  ['12 close(21</mnt/a/b.py> <unfinished ...>', 'close'],
  ['12 <... close resumed>) = 0', undefined],
  ['12 write(17<anon_inode:[eventfd]>, ""..., 8) = 8', undefined],
  ['12 openat(AT_FDCWD</>, "/mnt2/a", O_RDONLY) = 21</mnt2/a>', undefined],
  ['12 +++ exited with 0 +++', undefined],
])('%s', (line, name) => {
  expect(callIn(line, '/mnt')).toBe(name)
})
