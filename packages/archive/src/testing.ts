import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  chmodSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new directory under the system's temporary one. */
export function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'berth-archive-'))
}

/**
 * The same in memory where the machine has that, for what measures time: a disk that is busy with the writes of other tests can keep an
 * fsync waiting for a minute. To be removed by whoever makes it.
 */
export function newFastDirectory(): string {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  return mkdtempSync(join(parent, 'berth-archive-'))
}

/** Everything about a tree that must come back: one line an entry, times in microseconds. */
export function describeTree(root: string): string[] {
  const inodes = new Map<number, string>()
  const lines: string[] = []
  const visit = (path: Buffer, name: string): void => {
    const stats = lstatSync(path)
    const times = Math.round(stats.mtimeMs * 1000)
    const owned = `${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid} ${times}`
    if (stats.isSymbolicLink())
      lines.push(`${name} link ${readlinkSync(path)} ${stats.uid}:${stats.gid} ${times}`)
    else if (stats.isDirectory()) {
      lines.push(`${name} directory ${owned}`)
      for (const child of readdirSync(path, { encoding: 'buffer' }).toSorted(Buffer.compare)) {
        if (child.toString() === '.berth') continue
        visit(Buffer.concat([path, Buffer.from('/'), child]), `${name}/${child.toString('latin1')}`)
      }
    } else if (stats.isFile()) {
      const first = stats.nlink > 1 ? inodes.get(stats.ino) : undefined
      inodes.set(stats.ino, name)
      const content = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16)
      lines.push(
        `${name} file ${owned} ${stats.size} ${content}${first === undefined ? '' : ` = ${first}`}`,
      )
    }
  }
  visit(Buffer.from(root), '.')
  return lines
}

/** A small tree with one of everything that has ever been lost on the way. */
export function makeTree(root: string): void {
  const at = (path: string): string => join(root, path)
  mkdirSync(at('lib/python3.11/site-packages/alpha/__pycache__'), { recursive: true })
  mkdirSync(at('lib/python3.11/site-packages/beta'), { recursive: true })
  mkdirSync(at('bin'))
  mkdirSync(at('empty/below'), { recursive: true })
  for (let index = 0; index < 40; index++) {
    writeFileSync(
      at(`lib/python3.11/site-packages/alpha/m${index}.py`),
      `value = ${index}\n`.repeat(index * 7),
    )
  }
  writeFileSync(at('lib/python3.11/site-packages/beta/__init__.py'), '')
  writeFileSync(at('lib/python3.11/site-packages/beta/data.bin'), randomBytes(300_000))
  writeFileSync(
    at('lib/big.so'),
    Buffer.concat([randomBytes(5_000_000), Buffer.alloc(3_000_000), randomBytes(1000)]),
  )
  writeFileSync(at('lib/huge.bin'), Buffer.concat([randomBytes(40_000_000), Buffer.from('end')]))
  writeFileSync(at('bin/tool'), '#!/bin/sh\necho tool\n')
  chmodSync(at('bin/tool'), 0o755)
  writeFileSync(at('bin/private'), 'x')
  chmodSync(at('bin/private'), 0o600)
  writeFileSync(at('bin/setuid'), 'x')
  chmodSync(at('bin/setuid'), 0o4755)
  chmodSync(at('empty'), 0o700)
  symlinkSync('python3.11', at('lib/python3'))
  symlinkSync('/usr/bin/env', at('bin/env'))
  symlinkSync('nowhere', at('bin/dangling'))
  symlinkSync('../../outside', at('bin/out'))
  linkSync(at('bin/tool'), at('bin/tool-again'))
  writeFileSync(at('.hidden'), 'dot')
  writeFileSync(at('with space and "quote" \'s'), 'q')
  writeFileSync(at('new\nline'), 'n')
  writeFileSync(at('-dash'), 'd')
  writeFileSync(at('back\\nslash'), 'b')
  writeFileSync(at('lib/[star]*?\\101'), 's')
  writeFileSync(at('x'.repeat(200)), 'long')
  writeFileSync(
    Buffer.concat([
      Buffer.from(`${root}/bad-`),
      Buffer.from([0xff, 0xfe, 0x80]),
      Buffer.from('-name'),
    ]),
    'raw',
  )
  writeFileSync(at('sparse'), '')
  truncateSync(at('sparse'), 6_000_000)
  utimesSync(at('bin/tool'), 1_500_000_000, 1_500_000_000)
  utimesSync(at('lib/big.so'), 1_600_000_000.123456, 1_600_000_000.123456)
  utimesSync(at('empty'), 1_400_000_000, 1_400_000_000)
}

/** Lets the file system's clock go on, so that what is written now is later than what was. */
export function tick(): void {
  execFileSync('sleep', ['0.02'])
}
