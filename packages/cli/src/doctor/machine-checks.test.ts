import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { checkMachine } from './machine-checks.ts'
import { clockCheck, limitCheck, pythonCheck, shellCheck } from './program-checks.ts'
import { roomCheck, sharedMemoryCheck, storeCheck, workspaceCheck } from './room-checks.ts'

function directory(files: Record<string, string> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'berth-doctor-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
    chmodSync(join(root, name), 0o755)
  }
  return root
}

test('asks everything of this machine, and changes nothing', async () => {
  const state = join(directory(), 'state')
  const checks = await checkMachine({ env: process.env, workspace: '/', stateDirectory: state })
  expect(checks.map(({ name }) => name)).toEqual([
    'platform',
    'grace',
    'init',
    'state',
    'disk',
    'temporary',
    'shared memory',
    'limits',
    'shell',
    'python',
    'clock',
  ])
  expect(checks.filter(({ result }) => result === 'failed')).toEqual([])
  for (const { result, hint } of checks) expect(hint !== undefined).toBe(result === 'warning')
  expect(checks[3]?.said).toContain(`a boot would keep its state in ${state}`)
  await expect(async () => (await import('node:fs')).statSync(state)).rejects.toThrow('ENOENT')
})

test('warns of a short grace, and says what to do about it', async () => {
  const env = { ...process.env, RUNPOD_POD_ID: 'abc' }
  const checks = await checkMachine({ env, workspace: '/', stateDirectory: undefined })
  expect(checks[1]).toEqual({
    name: 'grace',
    result: 'warning',
    said: 'runpod gives 5.0 s between SIGTERM and SIGKILL',
    hint: 'save while the app runs: give the save step `every: 2m`; and see `berth smoke RECIPE`',
  })
})

test.each([
  ['tini', 'ok', 'which reaps'],
  ['systemd', 'ok', 'which reaps'],
])('knows PID 1 by its name: %s', async (name, result, said) => {
  const root = directory({ 'proc/1/comm': `${name}\n`, '.dockerenv': '' })
  const checks = await checkMachine({ env: {}, workspace: '/', stateDirectory: '/tmp', root })
  expect(checks[2]).toMatchObject({ name: 'init', result })
  expect(checks[2]?.said).toContain(said)
})

test('fails where a boot could keep its state nowhere', async () => {
  const file = join(directory({ file: '' }), 'file/state')
  const checks = await checkMachine({ env: {}, workspace: '/', stateDirectory: file })
  expect(checks[3]).toMatchObject({ name: 'state', result: 'failed' })
})

test('says how many files may be open', () => {
  const limits = (soft: string) =>
    directory({ 'proc/self/limits': `Max open files  ${soft}  524288 files\n` })
  expect(limitCheck(limits('1024'))).toMatchObject({
    result: 'warning',
    said: '1,024 open files, at most 524,288',
  })
  expect(limitCheck(limits('65536'))).toMatchObject({ result: 'ok' })
  expect(limitCheck(limits('unlimited'))).toMatchObject({ result: 'ok' })
  expect(limitCheck(directory())).toMatchObject({ result: 'told' })
})

test('says which shell there is', () => {
  const only = (...names: string[]) => ({
    PATH: directory(Object.fromEntries(names.map((name) => [name, '']))),
  })
  expect(shellCheck(only('sh', 'bash')).said).toMatch(/\/bash$/)
  expect(shellCheck(only('sh')).said).toContain('`pipefail` is off')
  expect(shellCheck(only())).toMatchObject({ result: 'warning' })
})

test('says whether Python can make a venv, by asking it', async () => {
  const python = (script: string) => ({ PATH: directory({ python3: `#!/bin/sh\n${script}\n` }) })
  expect(await pythonCheck(python('echo 3.12.1'))).toMatchObject({ result: 'ok' })
  const broken = await pythonCheck(python('echo "No module named ensurepip" >&2; exit 1'))
  expect(broken).toMatchObject({ result: 'warning' })
  expect(broken.said).toContain("can't make a venv: No module named ensurepip")
  expect(await pythonCheck({ PATH: directory() })).toMatchObject({ result: 'told' })
})

test('says the room of what is not there yet, and what it can’t ask', () => {
  expect(roomCheck('disk', join(directory(), 'not/yet')).said).toContain(' free')
  expect(sharedMemoryCheck(directory())).toMatchObject({ result: 'told' })
})

test('knows a clock that lies before its own engine', () => {
  expect(clockCheck(Date.now())).toMatchObject({ result: 'ok' })
  expect(clockCheck(0)).toMatchObject({ result: 'warning' })
})

test('warns of a place for the data that is not there', () => {
  const missing = join(directory(), 'mispelt')
  expect(workspaceCheck('disk', missing)).toMatchObject({
    result: 'warning',
    said: `${missing} is not there`,
  })
  expect(workspaceCheck('disk', directory()).said).toContain(' free')
})

test('says of a store that is a directory whether it is there, and can be', async () => {
  const there = directory({ file: '' })
  const check = (path: string) => storeCheck(`file://${path}`, path)
  expect(await check(there)).toMatchObject({ name: 'store' })
  expect((await check(there)).said).not.toContain('not there yet')
  expect((await check(join(there, 'none'))).said).toContain('made by the first save')
  for (const path of ['/proc/store', join(there, 'file/store')]) {
    const { result, said } = await check(path)
    expect(result).toBe('warning')
    expect(said).toContain(`file://${path} does not exist, and no save can make it`)
  }
})
