import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { mayMount, requirement } from '@berth/core/testing'
import { expect } from 'vitest'
import { type Listing, compareListings, listTree } from '../demo/listing.ts'
import { root } from '../workspace.ts'
import { mountTmpfs } from './mounted.ts'
import { Home } from './running-pod.ts'

const TREE = ['tree']
const FILES = 1500
const test = requirement('mount', mayMount())

const kinds = ['bytes', 'inodes'] as const
type Kind = (typeof kinds)[number]
const FULL = /is full|no space is left/

interface Run {
  code: number | null
  said: string
}

/** `berth archive VERB` of `disk/tree`, on the store of this home. */
function archive(home: Home, verb: string, ...more: string[]): Run {
  const command = `${root}/packages/cli/bin/berth`
  const flags = ['--store', `file://${home.store}`, '--name', 'app', ...more]
  const run = spawnSync(command, ['archive', verb, home.at('tree'), ...flags], {
    env: { PATH: process.env['PATH'], HOME: home.path },
    encoding: 'utf8',
  })
  return { code: run.status, said: run.stdout + run.stderr }
}

/** Small files: a file system needs far more bytes for them than they have. */
function writeTree(home: Home, files: number, value: string): void {
  fs.mkdirSync(home.at('tree/sub'), { recursive: true })
  for (let index = 0; index < files; index += 1)
    fs.writeFileSync(home.at(`tree/sub/file-${index}`), `${value} ${index}`.repeat(20))
}

/** Takes all bytes, or all inodes but some; answers what holds them. */
function fill(directory: string, kind: Kind, left = 0): string {
  const ballast = path.join(directory, 'ballast')
  fs.mkdirSync(ballast)
  if (kind === 'bytes') {
    const { bfree, bsize } = fs.statfsSync(directory)
    fs.writeFileSync(path.join(ballast, 'bytes'), Buffer.alloc(bfree * bsize, 'x'))
  }
  while (kind === 'inodes' && fs.statfsSync(directory).ffree > left)
    fs.writeFileSync(path.join(ballast, String(fs.statfsSync(directory).ffree)), '')
  return ballast
}

function grow(place: string): void {
  execFileSync('mount', ['-o', 'remount,size=64m,nr_inodes=100000', place])
}

function used(place: string): number[] {
  const { blocks, bfree, files, ffree } = fs.statfsSync(place)
  return [blocks - bfree, files - ffree]
}

/** Tries again and again: each time the same refusal, and nothing that piles up. */
function refuseThrice(place: string, act: () => Run): void {
  const sizes: number[][] = []
  for (const _attempt of [1, 2, 3]) {
    const { code, said } = act()
    expect(code, said).toBe(1)
    expect(said).toMatch(FULL)
    expect(said).toContain('To fix: ')
    sizes.push(used(place))
  }
  expect(sizes[2]).toEqual(sizes[1])
}

function expectTree(home: Home, expected: Listing): void {
  expect(compareListings(expected, listTree(home.disk, TREE))).toEqual([])
}

for (const kind of kinds) {
  test(`a restore onto a disk without ${kind} leaves the old tree, and completes once there is room`, () => {
    const home = new Home()
    writeTree(home, 3, 'old')
    expect(archive(home, 'save').code).toBe(0)
    const old = listTree(home.disk, TREE)
    writeTree(home, FILES, 'new')
    expect(archive(home, 'save').code).toBe(0)
    const grown = listTree(home.disk, TREE)
    const disk = path.join(home.path, 'small')
    mountTmpfs(disk, kind === 'bytes' ? 'size=3m' : 'size=64m,nr_inodes=2000')
    home.moveTo(disk)
    expect(archive(home, 'restore', '--at', '1').code).toBe(0)
    expectTree(home, old)
    // Enough by what the manifest says, and too little for what a file system and a restore need beside it.
    if (kind === 'inodes') fill(disk, kind, FILES + 4)
    refuseThrice(disk, () => archive(home, 'restore', '--at', '2'))
    expectTree(home, old)
    grow(disk)
    const { code, said } = archive(home, 'restore', '--at', '2')
    expect(code, said).toBe(0)
    expectTree(home, grown)
    expect(archive(home, 'save').said).toContain('unchanged')
  }, 60_000)

  test(`a save into a store without ${kind} leaves its last generation whole, and completes once there is room`, () => {
    const home = new Home()
    mountTmpfs(home.store, 'size=2m,nr_inodes=400')
    writeTree(home, 20, 'old')
    expect(archive(home, 'save').code).toBe(0)
    const old = listTree(home.disk, TREE)
    fs.writeFileSync(home.at('tree/more'), Buffer.alloc(100_000, 'more'))
    const ballast = fill(home.store, kind)
    refuseThrice(home.store, () => archive(home, 'save'))
    const changed = listTree(home.disk, TREE)
    home.moveTo(path.join(home.path, 'other'))
    expect(archive(home, 'restore').code).toBe(0)
    expectTree(home, old)
    fs.rmSync(ballast, { recursive: true })
    home.moveTo(path.join(home.path, 'disk'))
    const { code, said } = archive(home, 'save')
    expect(code, said).toBe(0)
    home.moveTo(path.join(home.path, 'third'))
    expect(archive(home, 'restore').code).toBe(0)
    expectTree(home, changed)
    expect(fs.readdirSync(path.join(home.store, '.berth-tmp'))).toEqual([])
  }, 60_000)

  test(`a save of a disk without ${kind} is a save all the same, again and again`, () => {
    const home = new Home()
    const disk = path.join(home.path, 'small')
    mountTmpfs(disk, 'size=2m,nr_inodes=400')
    home.moveTo(disk)
    writeTree(home, 20, 'old')
    expect(archive(home, 'save').code).toBe(0)
    fill(disk, kind)
    const sizes: number[][] = []
    for (const round of [1, 2, 3]) {
      // In place: there is no room for more.
      fs.writeFileSync(home.at('tree/sub/file-7'), `changed in round ${round}`, { flag: 'r+' })
      const { code, said } = archive(home, 'save')
      expect(code, said).toBe(0)
      sizes.push(used(disk))
      const changed = listTree(home.disk, TREE)
      home.moveTo(path.join(home.path, `restored-${round}`))
      expect(archive(home, 'restore').code).toBe(0)
      expectTree(home, changed)
      home.moveTo(disk)
    }
    expect(sizes[2]).toEqual(sizes[1])
  }, 60_000)
}
