import { expect, test } from 'vitest'
import { findUser } from './user.ts'

const tables = {
  passwd: 'root:x:0:0:root:/root:/bin/bash\napp:x:1000:1001:An app:/home/app:/bin/sh\nbare:x:7:7\n',
  group: 'root:x:0:\napp:x:1001:\nvideo:x:44:app,other\nrender:x:105:other,app\nown:x:1001:app\n',
}

test('finds a user by name and by number, with its home and all its groups', () => {
  const app = {
    uid: 1000,
    gid: 1001,
    groups: [44, 105],
    env: { USER: 'app', LOGNAME: 'app', HOME: '/home/app' },
  }
  expect(findUser('app', tables)).toEqual(app)
  expect(findUser('1000', tables)).toEqual(app)
  expect(findUser('bare', tables)).toMatchObject({ uid: 7, gid: 7, env: { HOME: '/' } })
})

test('takes the group that is named, by name or by number, and no others then', () => {
  expect(findUser('app:video', tables)).toMatchObject({ uid: 1000, gid: 44, groups: [] })
  expect(findUser('app:12345', tables)).toMatchObject({ uid: 1000, gid: 12345, groups: [] })
})

test('takes numbers that no file knows, also where there are no files', () => {
  const unknown = { uid: 54321, gid: 54321, groups: [], env: { HOME: '/' } }
  expect(findUser('54321', tables)).toEqual(unknown)
  expect(findUser('54321', { passwd: '', group: '' })).toEqual(unknown)
})

test('reads the files of this machine', () => {
  expect(findUser('root')).toMatchObject({ uid: 0, gid: 0, env: { USER: 'root' } })
})

test.each(['', 'no-such-user', 'root:no-such-group', ':0', 'root:', '-1', '1e3'])(
  'knows no user `%s`',
  (text) => {
    expect(() => findUser(text, tables)).toThrow('there is no such user or group')
  },
)
