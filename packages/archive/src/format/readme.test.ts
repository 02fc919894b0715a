import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { beforeEach, expect, test } from 'vitest'
import { saveTree } from '../save/save.ts'
import { newDirectory } from '../testing.ts'
import { readmeText } from './readme.ts'

let base: string

/** An archive with two snapshots of a file, and another. */
beforeEach(async () => {
  base = newDirectory()
  const directory = join(base, 'tree')
  mkdirSync(directory)
  const store = await openStore(`file://${base}/store`, { env: {} })
  for (const [name, text] of [
    ['app/tree', 'first'],
    ['app/tree', 'second, and longer'],
    ['other', 'second, and longer'],
  ] as const) {
    writeFileSync(join(directory, 'file'), text)
    await saveTree({ store, name, directory })
  }
})

function rescue(variables: Record<string, string>): { status: number | null; stderr: string } {
  const script = /```sh\n([\s\S]*?)```/.exec(readmeText())?.[1] ?? ''
  const env = { PATH: process.env['PATH'], out: join(base, 'out'), ...variables }
  return spawnSync('sh', ['-c', script], { cwd: join(base, 'store'), env, encoding: 'utf8' })
}

const rescued = (): string => readFileSync(join(base, 'out/file'), 'utf8')

test('takes the newest snapshot, or the one whose manifest is named', () => {
  expect(rescue({ archive: 'app/tree' })).toMatchObject({ status: 0, stderr: '' })
  expect(rescued()).toBe('second, and longer')
  const manifest = 'snapshots/app/tree/@/00000001.json.zst'
  expect(rescue({ manifest, out: join(base, 'old') })).toMatchObject({ status: 0, stderr: '' })
  expect(readFileSync(join(base, 'old/file'), 'utf8')).toBe('first')
})

test.each([
  ['archive', 'app/tre'],
  ['manifest', 'snapshots/app/tree/@/00000009.json.zst'],
])('names the archives and makes nothing for the %s %s', (variable, value) => {
  const { status, stderr } = rescue({ [variable]: value })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^There is no snapshots\/app\/.*:\n {2}app\/tree\n {2}other\n$/)
  expect(existsSync(join(base, 'out'))).toBe(false)
})

test('stops at a manifest that is damaged', () => {
  const manifest = join(base, 'store/snapshots/app/tree/@/00000002.json.zst')
  writeFileSync(manifest, readFileSync(manifest).subarray(0, 100))
  expect(rescue({ archive: 'app/tree' }).status).not.toBe(0)
  expect(existsSync(join(base, 'out/file'))).toBe(false)
})
