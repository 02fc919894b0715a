import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { expect, onTestFinished } from 'vitest'
import { roomiestParent } from './fresh-files.ts'

const MIB = 1024 * 1024
// Of the whole process, its threads and Node's own 65 MiB too, without the cache of compiled modules that the command has: that takes 50 MiB less.
const LIMITS_MIB = { save: 380, restore: 300 }
// As the command starts itself.
const COMMAND = fs.readFileSync(
  path.join(import.meta.dirname, '../../packages/cli/bin/berth'),
  'utf8',
)
const FLAGS = /exec node (--\S+) /.exec(COMMAND)?.slice(1) ?? []
const LONG_BYTES = 600e6
const SMALL_FILES = 8000
const SMALL_BYTES = 50_000

/** 1 GB: one long file that nothing compresses, and thousands of small ones of which nothing is twice there. */
function writeTree(root: string): void {
  const block = Buffer.alloc(20e6)
  fs.mkdirSync(root, { recursive: true })
  for (let written = 0; written < LONG_BYTES; written += block.length)
    fs.appendFileSync(path.join(root, 'model'), randomFillSync(block))
  const text = Buffer.from(block.toString('base64', 0, 6e6))
  for (let index = 0; index < SMALL_FILES; index += 1) {
    const folder = path.join(root, `folder-${index % 50}`)
    fs.mkdirSync(folder, { recursive: true })
    const start = (index * 7919) % (text.length - SMALL_BYTES)
    fs.writeFileSync(path.join(folder, `f${index}`), text.subarray(start, start + SMALL_BYTES))
  }
}

requirement('s3', missingS3Server() ?? true)(
  'a save and a restore of a gigabyte need no more memory than they may',
  async () => {
    const s3 = await startS3Server()
    onTestFinished(() => s3.close())
    const base = fs.mkdtempSync(path.join(roomiestParent(), 'berth-memory-'))
    onTestFinished(() => fs.rmSync(base, { recursive: true, force: true }))
    const url = s3.url.replace(s3.endpoint, s3.directEndpoint)
    const child = path.join(import.meta.dirname, 'archive-child.ts')
    const run = (verb: string, pod: string) => {
      const args = [...FLAGS, child, verb, path.join(base, pod, 'tree'), 'big', url]
      const env = { PATH: process.env['PATH'], ...s3.env }
      return JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' })) as {
        result: string
        files: number
        peakBytes: number
      }
    }
    writeTree(path.join(base, 'first/tree'))
    expect(FLAGS).toHaveLength(1)
    const saved = run('save', 'first')
    expect(saved).toMatchObject({ result: 'saved', files: SMALL_FILES + 1 })
    fs.rmSync(path.join(base, 'first'), { recursive: true })
    const restored = run('restore', 'second')
    expect(restored).toMatchObject({ result: 'restored', files: SMALL_FILES + 1 })
    const save = Math.round(saved.peakBytes / MIB)
    const restore = Math.round(restored.peakBytes / MIB)
    console.log(`peak memory: save ${save} MiB, restore ${restore} MiB`)
    expect(save).toBeLessThan(LIMITS_MIB.save)
    expect(restore).toBeLessThan(LIMITS_MIB.restore)
  },
  300_000,
)
