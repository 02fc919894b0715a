import { createHash } from 'node:crypto'
import {
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { walkTree } from '../walk.ts'

/** An empty directory that is gone after the test. */
export function makeTemporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'berth-filesystem-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A small tree with one of everything that a copy must keep. */
export function makeTree(directory: string): void {
  mkdirSync(join(directory, 'bin'), { recursive: true })
  mkdirSync(join(directory, 'lib/empty'), { recursive: true })
  mkdirSync(join(directory, 'locked'))
  writeFileSync(join(directory, 'bin/python'), '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(join(directory, 'lib/module.py'), 'x = 1\n', { mode: 0o640 })
  writeFileSync(join(directory, '.hidden'), '')
  writeFileSync(
    Buffer.concat([Buffer.from(`${directory}/lib/`), Buffer.from([0xff, 0x0a, 0x41])]),
    'odd',
  )
  linkSync(join(directory, 'lib/module.py'), join(directory, 'lib/same.py'))
  symlinkSync('lib', join(directory, 'lib64'))
  symlinkSync('/nowhere/at all', join(directory, 'dangling'))
  symlinkSync('../../outside', join(directory, 'lib/out'))
  writeFileSync(join(directory, 'big'), 'head')
  truncateSync(join(directory, 'big'), 20 * 1024 * 1024)
  writeFileSync(join(directory, 'locked/file'), 'kept', { mode: 0o400 })
  setTimes(directory)
}

/** Gives every entry a time of its own that Node can set exactly: in quarters of a second. */
function setTimes(directory: string): void {
  const entries = readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })
  entries.forEach((entry, index) => {
    const path = Buffer.concat([Buffer.from(`${directory}/`), entry.name])
    if (entry.isDirectory()) setTimes(path.toString())
    lutimesSync(path, 1_600_000_000, 1_500_000_000.25 + index * 1000.25)
  })
  lutimesSync(directory, 1_600_000_000, 1_400_000_000.75)
}

/** Everything about a tree that a copy must keep, a line for each entry; the tree itself is `.`. */
export async function describeTree(directory: string): Promise<string[]> {
  const lines = [describeEntry(Buffer.from(directory), '.')]
  for await (const entry of walkTree(directory)) {
    lines.push(describeEntry(entry.path, entry.relativePath.toString('latin1')))
  }
  return lines
}

function describeEntry(path: Buffer, name: string): string {
  const stats = lstatSync(path, { bigint: true })
  const content = stats.isFile()
    ? createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 12)
    : stats.isSymbolicLink()
      ? readlinkSync(path)
      : ''
  const links = stats.isDirectory() ? '' : `${stats.nlink} links`
  return [
    name,
    stats.mode.toString(8),
    `${stats.uid}:${stats.gid}`,
    stats.mtimeNs,
    links,
    content,
  ].join(' ')
}
