import { expect, test } from 'vitest'
import { explainKeysOnDisk, findPlaces } from './places.ts'

test('keys on a disk are the fault of BERTH_LINK_DIR where that is set', () => {
  // Nothing is made there, and it is no tmpfs anywhere.
  const chosen = findPlaces({ BERTH_LINK_DIR: '/proc/berth-link' })
  expect(chosen).toMatchObject({ runtime: '/proc/berth-link/run', cache: '/proc/berth-link/cache' })
  const exposed = explainKeysOnDisk(chosen)
  expect(exposed?.message).toBe(
    'BERTH_LINK_DIR is on a disk: the keys lie on it, in `/proc/berth-link/run`',
  )
  expect(exposed?.hint).toMatch(/^unset BERTH_LINK_DIR, or put it on a tmpfs/)
})

test('without a tmpfs the machine lacks one, and in memory there is nothing to say', () => {
  const places = { runtime: '/tmp/berth-s3-0', cache: '/var/tmp/berth-s3-0' }
  expect(explainKeysOnDisk({ ...places, inMemory: false })?.message).toMatch(/^there is no tmpfs:/)
  expect(explainKeysOnDisk({ ...places, inMemory: true })).toBeUndefined()
})
