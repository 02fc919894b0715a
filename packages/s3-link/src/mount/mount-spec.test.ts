import { chmodSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, test } from 'vitest'
import { defaultOptions } from '../driver/link-options.ts'
import { layoutOf } from './layout.ts'
import { createMountSpec, type SpecQuestion } from './mount-spec.ts'
import { findPlaces, makePlaces } from './places.ts'

const question: SpecQuestion = {
  store: 's3://art/pods?endpoint=http://127.0.0.1:9000',
  env: { AWS_ACCESS_KEY_ID: 'AKIA1', AWS_SECRET_ACCESS_KEY: 'sec/ret' },
  driver: 's3fs',
  options: defaultOptions,
  places: { runtime: '/dev/shm/berth-s3-0', cache: '/var/tmp/berth-s3-0', inMemory: true },
}

test('gives equal mounts the same key, and others another', () => {
  const { key, ...spec } = createMountSpec(question)
  expect(spec).toMatchObject({
    bucket: 'art',
    prefix: 'pods',
    endpoint: 'http://127.0.0.1:9000',
    mountPoint: `/dev/shm/berth-s3-0/${key}/mount`,
    cache: `/var/tmp/berth-s3-0/${key}`,
  })
  expect(createMountSpec(question).key).toBe(key)
  const others: Partial<SpecQuestion>[] = [
    { driver: 'rclone' },
    { store: 's3://art?endpoint=http://127.0.0.1:9000' },
    { env: { ...question.env, AWS_ACCESS_KEY_ID: 'AKIA2' } },
    { options: { ...defaultOptions, parallel: 5 } },
  ]
  const keys = others.map((other) => createMountSpec({ ...question, ...other }).key)
  expect(new Set([key, ...keys]).size).toBe(5)
})

test.each([
  ['file:///data', {}, 's3-link/not-s3'],
  ['s3://vol123', { RUNPOD_VOLUME_ID: 'vol123' }, 's3-link/self-loop'],
  ['s3://art/a,b', {}, 's3-link/bad-path'],
  ['s3://art', { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }, 's3-link/no-credentials'],
  ['s3://art', { AWS_SECRET_ACCESS_KEY: 'your_secret_key_here' }, 's3-link/bad-credentials'],
  ['s3://art', { AWS_SECRET_ACCESS_KEY: '{{ RUNPOD_SECRET_x }}' }, 's3-link/bad-credentials'],
  ['s3://art', { AWS_SECRET_ACCESS_KEY: '' }, 'object-store/half-set-credentials'],
])('refuses %s with %j', (store, env, code) => {
  const ask = () => createMountSpec({ ...question, store, env: { ...question.env, ...env } })
  expect(ask).toThrow(expect.objectContaining({ code }))
})

test('puts a user’s folder where people know it', () => {
  expect(layoutOf({ workspace: '/workspace', folder: 'output', user: 'alice' })).toEqual({
    path: '/workspace/output/alice',
    subfolder: 'output/alice',
  })
})

test.each([
  ['/workspace', 'output', '../x', 's3-link/bad-user'],
  ['/workspace', 'output', '.hidden', 's3-link/bad-user'],
  ['/workspace', 'output', 'a/b', 's3-link/bad-user'],
  ['/workspace', 'output', 'a b', 's3-link/bad-user'],
  ['/workspace', 'out,put', 'alice', 's3-link/bad-path'],
  ['/workspace', '../output', 'alice', 's3-link/bad-path'],
  ['/workspace', '', '', 's3-link/bad-path'],
  ['/', 'usr', '', 'filesystem/system-root'],
])('refuses the folder of %s, %j and the user %j', (workspace, folder, user, code) => {
  expect(() => layoutOf({ workspace, folder, user })).toThrow(expect.objectContaining({ code }))
})

test('refuses a directory for keys that others can write to, or that is a link', async () => {
  const own = await temporaryDirectory()
  const places = findPlaces({ BERTH_LINK_DIR: own })
  makePlaces(places)
  makePlaces(places)
  chmodSync(places.runtime, 0o777)
  const unsafe = expect.objectContaining({ code: 's3-link/unsafe-directory' })
  expect(() => makePlaces(places)).toThrow(unsafe)
  const linked = { ...places, runtime: join(own, 'linked') }
  symlinkSync(places.cache, linked.runtime)
  expect(() => makePlaces(linked)).toThrow(unsafe)
})
