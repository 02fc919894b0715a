import { spawn } from 'node:child_process'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isBerthError } from '@berth/core/error'
import { expect, test } from 'vitest'
import { readStat } from './process-table.ts'
import { claimStateDirectory, openStateDirectory } from './state-directory.ts'

function temporary(): string {
  return mkdtempSync(join(tmpdir(), 'berth-state-'))
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (isBerthError(error)) return error.code
    throw error
  }
  return 'none'
}

test('makes the directory private, also one that was open', () => {
  const directory = join(temporary(), 'a/b')
  expect(openStateDirectory(directory, {})).toBe(directory)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  chmodSync(directory, 0o777)
  openStateDirectory(undefined, { BERTH_STATE_DIR: directory })
  expect(statSync(directory).mode & 0o777).toBe(0o700)
})

test('refuses a link and a file in the place of the directory', () => {
  const parent = temporary()
  symlinkSync(temporary(), join(parent, 'link'))
  writeFileSync(join(parent, 'file'), '')
  expect(codeOf(() => openStateDirectory(join(parent, 'link'), {}))).toBe('cli/bad-state-directory')
  expect(codeOf(() => openStateDirectory(join(parent, 'file'), {}))).toBe('cli/bad-state-directory')
})

test('lets one boot claim a directory until it releases it', () => {
  const directory = temporary()
  const release = claimStateDirectory(directory)
  expect(codeOf(() => claimStateDirectory(directory))).toBe('cli/already-running')
  release()
  claimStateDirectory(directory)()
  expect(readdirSync(directory)).toEqual([])
})

test('takes over from a process that died, also when its pid lives again', () => {
  const directory = temporary()
  const file = join(directory, 'boot.pid')
  writeFileSync(file, JSON.stringify({ pid: 1, startTime: 'another' }))
  const release = claimStateDirectory(directory)
  const startTime = readStat(process.pid)?.startTime
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ pid: process.pid, startTime })
  release()
  writeFileSync(file, 'half a fi')
  claimStateDirectory(directory)()
  expect(readdirSync(directory)).toEqual([])
})

test('gives a directory to exactly one of many that come at once', async () => {
  const directory = temporary()
  writeFileSync(join(directory, 'boot.pid'), JSON.stringify({ pid: 1, startTime: 'another' }))
  const module = new URL('state-directory.ts', import.meta.url).href
  const script = `import { claimStateDirectory } from ${JSON.stringify(module)}
    let won = false
    try { claimStateDirectory(${JSON.stringify(directory)}); won = true } catch {}
    process.stdout.write(won ? 'won' : 'lost')
    process.stdin.resume()`
  const contenders = Array.from({ length: 6 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  )
  const answers = await Promise.all(
    contenders.map(
      (child) =>
        new Promise<string>((resolve) =>
          child.stdout.once('data', (data) => resolve(String(data))),
        ),
    ),
  )
  for (const child of contenders) child.stdin.end()
  expect(answers.toSorted()).toEqual(['lost', 'lost', 'lost', 'lost', 'lost', 'won'])
})
