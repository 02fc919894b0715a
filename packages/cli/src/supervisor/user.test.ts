import { expect, test } from 'vitest'
import { findUser } from './user.ts'

test('finds a user by name and by number, with the group of its own or the one that is named', () => {
  expect(findUser('root')).toMatchObject({ uid: 0, gid: 0, env: { USER: 'root', HOME: '/root' } })
  expect(findUser('0:12345')).toMatchObject({ uid: 0, gid: 12345 })
  expect(findUser('54321')).toEqual({ uid: 54321, gid: 54321, env: {} })
})

test.each(['', 'no-such-user', 'root:no-such-group', ':0'])('knows no user `%s`', (text) => {
  expect(() => findUser(text)).toThrow('there is no such user')
})
