import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { saveTree } from '@berth/archive'
import { requirement } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { expect } from 'vitest'

const BERTH = join(import.meta.dirname, '../../packages/cli/bin/berth')
const FILES = 3000
// As many as in a venv: a directory for every seven files.
const DIRECTORIES = 430

function hasStrace(): true | string {
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return 'strace is not installed'
  }
}

requirement('strace', hasStrace())(
  'a restore makes at most 4.5 calls to the file system for a small file, directories included',
  async () => {
    const base = mkdtempSync(join(tmpdir(), 'berth-calls-'))
    const source = join(base, 'pod', 'tree')
    for (let index = 0; index < DIRECTORIES; index++)
      mkdirSync(join(source, `d${index % 20}`, `e${index}`), { recursive: true })
    for (let index = 0; index < FILES; index++) {
      const number = index % DIRECTORIES
      const directory = join(source, `d${number % 20}`, `e${number}`)
      writeFileSync(join(directory, `f${index}.py`), `value = ${index}\n`.repeat(index % 50))
    }
    const url = `file://${join(base, 'store')}`
    const store = await openStore(url, { env: {} })
    await saveTree({ store, name: 'calls/tree', directory: source, level: 'fast' })
    const [log, folder] = [join(base, 'strace.log'), join(base, 'target')]
    mkdirSync(folder)
    const trace = ['-f', '-y', '-s', '0', '-e', 'trace=%file,%desc', '-o', log]
    const restore = ['archive', 'restore', join(folder, 'tree'), '--store', url]
    execFileSync('strace', [...trace, BERTH, ...restore, '--name', 'calls/tree'])
    // The end of a call that another thread interrupted is no second one.
    const calls = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => /^\d+\s+\w+\(/.test(line) && line.includes(`${folder}/`))
    expect(calls.length / FILES).toBeLessThan(4.5)
    expect(calls.length / FILES).toBeGreaterThan(3)
    rmSync(base, { recursive: true })
  },
  120_000,
)
