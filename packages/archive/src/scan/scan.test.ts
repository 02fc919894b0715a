import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { performScan } from './scan-work.ts'
import { type ScanTask, scanTree } from './scan.ts'

const FOLDERS = 300
const FILES = 20

test('finds the same with helpers, whatever order they answer in', async () => {
  const root = mkdtempSync(join(tmpdir(), 'berth-scan-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (let folder = 0; folder < FOLDERS; folder++) {
    const path = join(root, `${folder % 7}`, `${folder % 31}`, `${folder}`)
    mkdirSync(path, { recursive: true })
    symlinkSync('0', join(path, 'link'))
    for (let file = 0; file < FILES; file++) writeFileSync(join(path, `${file}`), `${file}`)
  }
  const alone = await scanTree(root)
  const tasks: ScanTask[] = []
  const run = async (task: ScanTask): Promise<unknown> => {
    tasks.push(task)
    const answer = performScan(task)
    await new Promise((resolve) => setTimeout(resolve, 5 * (tasks.length % 3)))
    return answer
  }
  const together = await scanTree(root, { helpers: { size: 4, areFree: true, run } })
  expect(together.columns).toEqual(alone.columns)
  expect(together.columns.files.size).toHaveLength(FOLDERS * FILES)
  expect(tasks.length).toBeGreaterThan(0)
})
