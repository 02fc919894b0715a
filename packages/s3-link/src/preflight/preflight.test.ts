import { BerthError } from '@berth/core'
import { expect, test } from 'vitest'
import { chooseDriver, type DriverQuestion } from '../driver/choose-driver.ts'
import { type FuseFacts, readFuseFacts } from './fuse-facts.ts'
import { judgeDriver, judgeFuse, type MountNeeds } from './judge-fuse.ts'
import type { Machine } from './machine.ts'
import { mountChecks } from './mount-checks.ts'

const all = '000001ffffffffff'
const none = '0000000000000000'
const withoutMounts = '000001ffffdfffff'

/** A machine on which everything works, as the files of its kernel say it. */
interface Told {
  device?: string
  effective?: string
  bounding?: string
  noNewPrivileges?: string
  /** What a trial mount says and ends with. */
  trial?: [code: number, said: string]
  profile?: string
  helpers?: string[]
  programs?: string[]
  s3fs?: string
  rclone?: string
  /** What s3fs is linked with. */
  library?: string
  uid?: number
  configuration?: string
  connections?: string
  kernel?: string
  commandLine?: string
  users?: string
}

function machine(told: Told): Machine {
  const { effective = all, bounding = all, noNewPrivileges = '0' } = told
  const files: Record<string, string | undefined> = {
    '/proc/self/status': `Name:\tnode\nCapEff:\t${effective}\nCapBnd:\t${bounding}\nNoNewPrivs:\t${noNewPrivileges}\nSeccomp:\t2\n`,
    '/proc/self/attr/current': told.profile ?? 'unconfined\n',
    '/etc/fuse.conf': told.configuration ?? '# user_allow_other\n',
    '/bin/s3fs': `\u007fELF\0${told.library ?? 'libfuse.so.2'}\0`,
    '/proc/version': told.kernel ?? 'Linux version 6.1.0',
    '/proc/cmdline': told.commandLine ?? 'console=ttyS0',
    '/proc/self/uid_map': told.users ?? '         0          0 4294967295\n',
  }
  const [code, said] = told.trial ?? [0, '']
  const answer = (text: string, ended: number) => ({
    result: 'ended' as const,
    code: ended,
    said: text,
    pid: 1,
  })
  return {
    uid: told.uid ?? 0,
    read: (path) => files[path] ?? '',
    openError: (path) => (path === '/dev/fuse' ? told.device : told.connections) ?? '',
    findProgram: (name) =>
      (told.programs ?? ['s3fs', 'rclone']).includes(name) ? `/bin/${name}` : undefined,
    findHelper: (name) =>
      (told.helpers ?? ['fusermount', 'fusermount3']).includes(name) ? `/bin/${name}` : undefined,
    run: ([program]) => {
      if (program === 'sh') return Promise.resolve(answer(said, code))
      const version = told.s3fs ?? 'Amazon Simple Storage Service File System V1.97 (commit:x)'
      return Promise.resolve(
        answer(program === '/bin/s3fs' ? version : (told.rclone ?? 'rclone v1.60.1-DEV'), 0),
      )
    },
  }
}

function factsOf(told: Told): Promise<FuseFacts> {
  return readFuseFacts(machine(told), { tries: true, asksAll: true })
}

const user: Told = { uid: 1000, effective: none }

test.each<[string, Told, Partial<MountNeeds>, string[]]>([
  ['a machine on which all is well', {}, { others: true }, []],
  ['a container without the device', { device: 'ENOENT' }, {}, ['fuse-no-device']],
  [
    'RunPod, where everything is missing',
    { device: 'ENOENT', effective: none, bounding: none, helpers: [] },
    {},
    ['fuse-no-device'],
  ],
  ['a device that the cgroup forbids', { device: 'EPERM' }, {}, ['fuse-cgroup']],
  ['a device of another user', { device: 'EACCES' }, {}, ['fuse-not-permitted']],
  ['a kernel without the module', { device: 'ENODEV' }, {}, ['fuse-no-module']],
  ['a device without a driver', { device: 'ENXIO' }, {}, ['fuse-no-module']],
  ['a device with another fault', { device: 'EIO' }, {}, ['fuse-no-device']],
  [
    'a container without the capability',
    { effective: withoutMounts, bounding: withoutMounts },
    {},
    ['fuse-no-capability'],
  ],
  [
    'that, and no new privileges',
    { effective: none, bounding: none, noNewPrivileges: '1' },
    {},
    ['fuse-no-capability'],
  ],
  ['a user with the helper', user, {}, []],
  [
    'a user whose helper gains nothing',
    { ...user, noNewPrivileges: '1' },
    {},
    ['fuse-no-new-privileges'],
  ],
  ['no new privileges where none are needed', { noNewPrivileges: '1' }, {}, []],
  [
    'a filter of system calls',
    { trial: [32, 'mount: /tmp/x: permission denied.'] },
    {},
    ['fuse-seccomp'],
  ],
  [
    'a profile of AppArmor',
    {
      trial: [32, 'mount: /tmp/x: cannot mount none read-only.'],
      profile: 'docker-default (enforce)\n',
    },
    {},
    ['fuse-apparmor'],
  ],
  ['a trial that fails otherwise', { trial: [32, 'mount: no room'] }, {}, ['fuse-no-mount']],
  ['a machine without `mount`', { trial: [127, 'sh: mount: not found'] }, {}, []],
  ['a user, for whom nothing is tried', { ...user, trial: [32, 'permission denied'] }, {}, []],
  ['a user who shares', user, { others: true }, ['fuse-allow-other']],
  [
    'a user who may share',
    { ...user, configuration: 'mount_max = 1000\nuser_allow_other\n' },
    { others: true },
    [],
  ],
])('says of %s why nothing can be mounted', async (_, told, needs, codes) => {
  const problems = judgeFuse(await factsOf(told), { others: false, ...needs })
  expect(problems.map(({ code }) => code)).toEqual(codes.map((code) => `s3-link/${code}`))
  for (const { message, hint } of problems) {
    expect(message).toMatch(/^could not mount: \S/)
    expect(hint).toMatch(/./)
  }
})

test.each<[string, 's3fs' | 'rclone', Told & { token?: boolean }, string[]]>([
  ['s3fs that mounts by itself', 's3fs', { helpers: [] }, []],
  ['s3fs of a user without a helper', 's3fs', { ...user, helpers: [] }, ['fuse-no-helper']],
  [
    's3fs of FUSE 2 with the helper of FUSE 3 alone',
    's3fs',
    { ...user, helpers: ['fusermount3'] },
    ['fuse-no-helper'],
  ],
  [
    's3fs of FUSE 3 with the helper of FUSE 2 alone',
    's3fs',
    { ...user, library: 'libfuse3.so.3', helpers: ['fusermount'] },
    ['fuse-no-helper'],
  ],
  [
    's3fs of FUSE 3 with its helper',
    's3fs',
    { ...user, library: 'libfuse3.so.3', helpers: ['fusermount3'] },
    [],
  ],
  ['rclone without a helper, even as root', 'rclone', { helpers: [] }, ['fuse-no-helper']],
  ['rclone 1.60 with its own', 'rclone', { helpers: ['fusermount'], token: true }, []],
  ['rclone 1.60 with the other', 'rclone', { helpers: ['fusermount3'] }, ['fuse-no-helper']],
  ['rclone 1.62 with its own', 'rclone', { helpers: ['fusermount3'], rclone: 'v1.62.2' }, []],
  [
    'rclone 1.62 with the other',
    'rclone',
    { helpers: ['fusermount'], rclone: 'v1.62.2' },
    ['fuse-no-helper'],
  ],
  ['s3fs that is missing', 's3fs', { programs: [] }, ['no-driver']],
  ['rclone that is missing', 'rclone', { programs: ['s3fs'] }, ['no-driver']],
  ['s3fs 1.90 with a session token', 's3fs', { s3fs: 'File System V1.90 (x)', token: true }, []],
  ['s3fs 1.87 with one', 's3fs', { s3fs: 'File System V1.87 (x)', token: true }, ['session-token']],
  [
    's3fs of an unknown version with one',
    's3fs',
    { s3fs: 'what?', token: true },
    ['session-token'],
  ],
])('judges %s', async (_, name, told, codes) => {
  const problems = judgeDriver(name, await factsOf(told), { sessionToken: told.token ?? false })
  expect(problems.map(({ code }) => code)).toEqual(codes.map((code) => `s3-link/${code}`))
})

test.each<[string, Told, string, string | undefined]>([
  ['nothing to say of a well kept s3fs', {}, 's3fs ok', undefined],
  ['an s3fs with known faults', { s3fs: 'V1.90 (x)' }, 's3fs warning', '1.90 is older than 1.95'],
  ['an s3fs without a version', { s3fs: '' }, 's3fs warning', 'taken for an old one'],
  ['a missing rclone', { programs: ['s3fs'] }, 'rclone warning', 'rclone is not installed'],
  ['a missing device', { device: 'ENOENT' }, 'mounting warning', 'has no /dev/fuse'],
  [
    'gVisor',
    { kernel: 'Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016' },
    'sandbox told',
    'gVisor',
  ],
  ['Kata', { commandLine: 'quiet systemd.unit=kata-containers.target' }, 'sandbox told', 'Kata'],
  [
    'a container without root',
    { users: '0 1000 1\n1 100000 65536\n' },
    'sandbox told',
    'user namespace',
  ],
  ['a kernel that shows no connections', { connections: 'ENOENT' }, 'connections told', 'FUSE'],
])('reports %s', async (_, told, row, said) => {
  const [name, result] = row.split(' ')
  const found = mountChecks(await factsOf(told)).find((check) => check.name === name)
  expect(found).toMatchObject({ result })
  if (said !== undefined) expect(found?.said).toContain(said)
})

test('judges no driver where nothing can be mounted', async () => {
  const checks = mountChecks(await factsOf({ device: 'ENOENT', programs: [], s3fs: 'V1.80' }))
  expect(checks.map(({ name, result }) => `${name} ${result}`)).toEqual(['mounting warning'])
})

test('leaves out what is as everywhere', async () => {
  const names = mountChecks(await factsOf({})).map(({ name, result }) => `${name} ${result}`)
  expect(names).toEqual(['mounting ok', 's3fs ok', 'rclone ok'])
})

test('asks the machine for a trial only where that can tell something', async () => {
  const refuses = machine({ trial: [32, 'permission denied'] })
  expect((await readFuseFacts(refuses, { tries: false, asksAll: false })).trialError).toBe('')
  const without = machine({ trial: [32, 'permission denied'], device: 'ENOENT' })
  expect((await readFuseFacts(without, { tries: true, asksAll: false })).trialError).toBe('')
})

const noNeeds = { others: false, sessionToken: false }

test.each<[Told, Partial<DriverQuestion>, string, string[]]>([
  [{}, {}, 's3fs', []],
  [{ programs: ['rclone'] }, {}, 'rclone', []],
  [{ s3fs: 'V1.87' }, { needs: { ...noNeeds, sessionToken: true } }, 'rclone', []],
  [{ device: 'ENOENT' }, {}, 'watch', ['no /dev/fuse']],
  [{ programs: [] }, {}, 'watch', ['s3fs is not installed', 'rclone is not installed']],
  [{ ...user, helpers: [] }, {}, 'watch', ['which s3fs mounts with', 'which rclone mounts with']],
  [{}, { wanted: 'rclone' }, 'rclone', []],
  [{ device: 'ENOENT' }, { wanted: 'watch' }, 'watch', []],
])('of %j with %j chooses %s', async (told, question, driver, why) => {
  const choice = chooseDriver({
    wanted: 'auto',
    needs: noNeeds,
    facts: await factsOf(told),
    ...question,
  })
  expect(choice.driver).toBe(driver)
  if (why.length === 0) expect(choice.why).toBeUndefined()
  for (const text of why) expect(choice.why?.message).toContain(text)
})

test.each<[Told, 's3fs' | 'rclone', boolean, string]>([
  [{ device: 'ENOENT', programs: [] }, 's3fs', false, 's3-link/fuse-no-device'],
  [{ programs: ['s3fs'] }, 'rclone', false, 's3-link/no-driver'],
  [{ s3fs: 'V1.80' }, 's3fs', true, 's3-link/session-token'],
])('of %j refuses %s', async (told, wanted, sessionToken, code) => {
  const facts = await factsOf(told)
  const ask = () => chooseDriver({ wanted, facts, needs: { others: false, sessionToken } })
  expect(ask).toThrow(BerthError)
  expect(ask).toThrow(expect.objectContaining({ code }))
})
