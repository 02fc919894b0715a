import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { requirement } from '@berth/core/testing'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { BerthError } from '@berth/core'
import { expect, onTestFinished, test } from 'vitest'
import { chooseDriver, type DriverQuestion } from '../driver/choose-driver.ts'
import { defaultOptions } from '../driver/link-options.ts'
import { createMountSpec } from '../mount/mount-spec.ts'
import { checkBucket } from './check-bucket.ts'
import type { FuseFacts } from './fuse-facts.ts'
import { judgeFuse } from './judge-fuse.ts'

const able: FuseFacts = {
  deviceError: '',
  mayMount: true,
  couldMount: true,
  noNewPrivileges: false,
  helper: true,
  isRoot: true,
  othersAllowed: false,
  programs: { s3fs: true, rclone: true },
}

test.each<[Partial<FuseFacts>, boolean, string[]]>([
  [{}, false, []],
  [{}, true, []],
  [{ deviceError: 'ENOENT' }, false, ['fuse-no-device']],
  [
    { deviceError: 'ENOENT', helper: false, mayMount: false, couldMount: false },
    false,
    ['fuse-no-device'],
  ],
  [{ deviceError: 'EPERM' }, false, ['fuse-cgroup']],
  [{ deviceError: 'EACCES' }, false, ['fuse-not-permitted']],
  [{ deviceError: 'ENODEV' }, false, ['fuse-no-module']],
  [{ deviceError: 'ENXIO' }, false, ['fuse-no-module']],
  [{ deviceError: 'EIO' }, false, ['fuse-no-device']],
  [{ mayMount: false, couldMount: false }, false, ['fuse-no-capability']],
  [{ mayMount: false, couldMount: false, noNewPrivileges: true }, false, ['fuse-no-capability']],
  [{ mayMount: false }, false, []],
  [{ mayMount: false, noNewPrivileges: true }, false, ['fuse-no-new-privileges']],
  [{ noNewPrivileges: true }, false, []],
  [{ helper: false }, false, ['fuse-no-helper']],
  [{ isRoot: false }, false, []],
  [{ isRoot: false }, true, ['fuse-allow-other']],
  [{ isRoot: false, othersAllowed: true }, true, []],
])('of %j, for others: %s, says %j', (facts, wantsOthers, codes) => {
  const problems = judgeFuse({ ...able, ...facts }, wantsOthers)
  expect(problems.map(({ code }) => code)).toEqual(codes.map((code) => `s3-link/${code}`))
  for (const { hint } of problems) expect(hint).toMatch(/./)
})

const noDevice = new BerthError('s3-link/fuse-no-device', 'could not mount: no /dev/fuse')
const both = { s3fs: true, rclone: true }

test.each<[Partial<DriverQuestion>, string, string | undefined]>([
  [{}, 's3fs', undefined],
  [{ programs: { s3fs: false, rclone: true } }, 'rclone', undefined],
  [{ hasSessionToken: true }, 'rclone', undefined],
  [{ problems: [noDevice] }, 'watch', 'could not mount: no /dev/fuse'],
  [{ programs: { s3fs: false, rclone: false } }, 'watch', 'could not mount: neither'],
  [{ wanted: 'rclone' }, 'rclone', undefined],
  [{ wanted: 'watch', problems: [noDevice] }, 'watch', undefined],
])('of %j chooses %s', (question, driver, why) => {
  const choice = chooseDriver({
    wanted: 'auto',
    problems: [],
    programs: both,
    hasSessionToken: false,
    ...question,
  })
  expect(choice.driver).toBe(driver)
  if (why === undefined) expect(choice.why).toBeUndefined()
  else expect(choice.why).toContain(why)
})

test.each<[Partial<DriverQuestion>, string]>([
  [{ wanted: 's3fs', problems: [noDevice] }, 's3-link/fuse-no-device'],
  [{ wanted: 'rclone', programs: { s3fs: true, rclone: false } }, 's3-link/no-driver'],
  [{ wanted: 's3fs', hasSessionToken: true }, 's3-link/session-token'],
])('refuses %j', (question, code) => {
  const ask = () =>
    chooseDriver({
      wanted: 's3fs',
      problems: [],
      programs: both,
      hasSessionToken: false,
      ...question,
    })
  expect(ask).toThrow(expect.objectContaining({ code }))
})

const testServer = requirement('s3', missingS3Server() ?? true)

testServer('checks a bucket step by step, and leaves nothing in it', async () => {
  const server = await startS3Server()
  onTestFinished(() => server.close())
  const checks = await check(`s3://${server.bucket}/pods?endpoint=${server.endpoint}`, server.env)
  expect(checks.map(({ name, result }) => `${name} ${result}`)).toEqual([
    'address ok',
    'connection ok',
    'certificate ok',
    'clock ok',
    'list ok',
    'write ok',
    'read ok',
    'remove ok',
  ])
  const again = await check(`s3://${server.bucket}?endpoint=${server.endpoint}`, server.env)
  expect(again[4]?.said).toContain('is empty')
})

testServer('stops at the first check that fails, with its cause', async () => {
  const server = await startS3Server()
  onTestFinished(() => server.close())
  const wrongKey = await check(`s3://${server.bucket}?endpoint=${server.endpoint}`, {
    AWS_ACCESS_KEY_ID: 'AKIAWRONG',
    AWS_SECRET_ACCESS_KEY: 'wrong',
  })
  expect(failed(wrongKey)).toEqual(['list', 'object-store/bad-credentials'])
  expect(wrongKey.at(-1)?.result).toBe('skipped')
  const noBucket = await check(`s3://not-there?endpoint=${server.endpoint}`, server.env)
  expect(failed(noBucket)).toEqual(['list', 'object-store/no-such-bucket'])
})

test('says that a name has no address, a port no listener, and a clock the wrong time', async () => {
  const keys = { AWS_ACCESS_KEY_ID: 'a'.repeat(8), AWS_SECRET_ACCESS_KEY: 'b'.repeat(8) }
  const noName = await check('s3://art?endpoint=http://nowhere.invalid', keys)
  expect(failed(noName)).toEqual(['address', 's3-link/no-host'])
  const noPort = await check('s3://art?endpoint=http://127.0.0.1:1', keys)
  expect(failed(noPort)).toEqual(['connection', 's3-link/unreachable'])
  const late = createServer((_, answer) => {
    answer.setHeader('date', new Date(Date.now() - 3_600_000).toUTCString())
    answer.end()
  })
  await new Promise<void>((resolve) => late.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void late.close())
  const { port } = late.address() as AddressInfo
  const wrongClock = await check(`s3://art?endpoint=http://127.0.0.1:${port}`, keys)
  expect(failed(wrongClock)).toEqual(['clock', 's3-link/clock'])
})

function check(store: string, env: Record<string, string>) {
  const places = { runtime: '/dev/shm/none', cache: '/var/tmp/none', inMemory: true }
  const spec = createMountSpec({ store, env, driver: 's3fs', options: defaultOptions, places })
  return checkBucket(spec, new AbortController().signal)
}

function failed(checks: Awaited<ReturnType<typeof check>>): (string | undefined)[] {
  const found = checks.find(({ result }) => result === 'failed')
  return [found?.name, found?.error?.code]
}
