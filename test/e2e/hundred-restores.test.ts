import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { restoreTree, saveTree } from '@berth/archive'
import { requirement } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { expect, onTestFinished } from 'vitest'
import { compareListings, listTree } from '../demo/listing.ts'
import { roomiestParent } from './fresh-files.ts'
import { startJitteryProxy } from './jittery-proxy.ts'

const RESTORES = { '0': 33, '0,1': 33, '0-3': 34 }
const FILES = 4000

/** As a venv is: packages of small files, some of them empty, links, an executable, and one library of two segments. */
function writeTree(root: string): void {
  const text = randomBytes(40_000).toString('base64')
  for (let index = 0; index < FILES; index += 1) {
    const folder = path.join(root, 'lib', `package-${index % 97}`, `part-${index % 7}`)
    fs.mkdirSync(folder, { recursive: true })
    const start = (index * 7919) % 50_000
    const length = index % 31 === 0 ? 0 : (index * 104_729) % 2500
    fs.writeFileSync(path.join(folder, `m${index}.py`), text.slice(start, start + length), {
      mode: index % 13 === 0 ? 0o755 : 0o644,
    })
    if (index % 101 === 0) fs.symlinkSync(`m${index}.py`, path.join(folder, `link-${index}`))
    if (index % 211 === 0)
      fs.linkSync(path.join(folder, `m${index}.py`), path.join(folder, `hard-${index}`))
  }
  fs.mkdirSync(path.join(root, 'empty/below'), { recursive: true })
  const pattern = createHash('sha512').update('library').digest()
  fs.writeFileSync(path.join(root, 'lib/library.so'), Buffer.alloc(33 << 20, pattern))
}

requirement('s3', missingS3Server() ?? true)(
  'a hundred restores of one tree are alike to the microsecond, on one, two and four cores, in whatever order answers come',
  async () => {
    const s3 = await startS3Server()
    onTestFinished(() => s3.close())
    const base = fs.mkdtempSync(path.join(roomiestParent(), 'berth-hundred-'))
    onTestFinished(() => fs.rmSync(base, { recursive: true, force: true }))
    const proxy = await startJitteryProxy(s3.directEndpoint, { delayMs: 30 })
    onTestFinished(() => proxy.close())
    const url = s3.url.replace(s3.endpoint, proxy.endpoint)
    const source = path.join(base, 'source')
    writeTree(path.join(source, 'tree'))
    const store = await openStore(url, { env: s3.env })
    await saveTree({ store, name: 'tree', directory: path.join(source, 'tree'), level: 'fast' })
    const once = path.join(base, 'once')
    await restoreTree({ store, name: 'tree', directory: path.join(once, 'tree') })
    const [before, after] = [listTree(source, ['tree']), listTree(once, ['tree'])]
    expect(compareListings(before, after)).toEqual([])
    const child = path.join(import.meta.dirname, 'restore-often-child.ts')
    const outputs = await Promise.all(
      Object.entries(RESTORES).map(([cores, times]) => {
        const args = ['-c', cores, process.execPath, child, path.join(base, cores), 'tree']
        const env = { PATH: process.env['PATH'], ...s3.env }
        return promisify(execFile)('taskset', [...args, String(times), url], { env })
      }),
    )
    const trees = outputs.flatMap(({ stdout }) => stdout.trim().split('\n'))
    expect(trees).toHaveLength(100)
    expect([...new Set(trees)]).toEqual([expect.stringMatching(new RegExp(`^${before.size} `))])
  },
  600_000,
)
