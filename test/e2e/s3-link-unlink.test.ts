import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import type { FaultPod } from './faults/fault-pod.ts'
import { FaultWorld } from './faults/fault-world.ts'
import { mayLink, until } from './linking.ts'

const may = [mayLink('s3fs'), mayLink('rclone')].find((one) => one !== true) ?? true
const testUnlink = requirement('fuse', may)

let world: FaultWorld
const writers: ChildProcess[] = []

beforeAll(async () => {
  if (may === true) world = await FaultWorld.create()
})

afterAll(async () => {
  for (const writer of writers) writer.kill('SIGKILL')
  if (may === true) await world.end()
}, 120_000)

// Each with a pod of its own: they wait most of the time.
describe.concurrent('a link whose mount another one needs', () => {
  testUnlink(
    'is taken away when rclone has sent its files, and not before',
    async () => {
      const proxy = await world.proxy()
      const { endpoint } = proxy
      const pod = world.pod({ name: 'shared-rclone', driver: 'rclone', endpoint })
      await linkBoth(pod, ['--option', 'write-back=1s'])
      const alice = path.join(pod.output, 'alice')
      // What the other link has open is none of this one's.
      const open = writeFile(path.join(pod.output, 'bob', 'open.txt'), 'of bob')
      const picture = writeFile(path.join(alice, 'picture.png'), 'a picture')
      await until(() => open.said() === 'open' && picture.said() === 'open')
      await proxy.refuse()
      picture.close()
      await until(() => picture.said() === 'open closed')
      const late = await pod.berth(unlink(pod, '2s'))
      expect(late.code, late.output).toBe(1)
      expect(late.output).toContain('s3-link/not-sent')
      expect(late.output).toContain('output/alice/picture.png')
      expect(fs.lstatSync(alice).isSymbolicLink()).toBe(true)
      const byHand = await pod.berth(['unmount-bucket', '--link', alice, '--within', '1s'])
      expect(byHand.code, byHand.output).toBe(1)
      expect(byHand.output).toContain('not sent: 1 file')
      expect(fs.lstatSync(alice).isSymbolicLink()).toBe(true)
      await proxy.recover()
      const ended = await pod.berth(unlink(pod, '90s'))
      expect(ended.code, ended.output).toBe(0)
      expect(await stored('shared-rclone/output/alice/picture.png')).toBe('a picture')
      expect(fs.lstatSync(alice).isDirectory()).toBe(true)
      open.close()
      const last = await pod.berth(unlink(pod, '60s', 'bob'))
      expect(last.code, last.output).toBe(0)
      expect(await stored('shared-rclone/output/bob/open.txt')).toBe('of bob')
      expect(pod.processes()).toEqual([])
    },
    180_000,
  )

  testUnlink(
    'is taken away when s3fs has closed its files, and not before',
    async () => {
      const proxy = await world.proxy()
      const { endpoint } = proxy
      const pod = world.pod({ name: 'shared-s3fs', driver: 's3fs', endpoint })
      await linkBoth(pod, [])
      const alice = path.join(pod.output, 'alice')
      const open = writeFile(path.join(pod.output, 'bob', 'open.txt'), 'of bob')
      const picture = writeFile(path.join(alice, 'picture.png'), 'a picture')
      await until(() => open.said() === 'open' && picture.said() === 'open')
      const held = await pod.berth(unlink(pod, '1s'))
      expect(held.code, held.output).toBe(1)
      expect(held.output).toContain(`(${picture.pid})`)
      proxy.swallow()
      picture.close()
      await until(() => !isOpen(picture, 'picture.png'))
      // Nobody has it open, and it is not sent.
      const late = await pod.berth(unlink(pod, '1s'))
      expect(late.code, late.output).toBe(1)
      expect(late.output).toContain('not in S3 yet are 1 file')
      expect(picture.said()).toBe('open')
      await proxy.recover()
      const ended = await pod.berth(unlink(pod, '60s'))
      expect(ended.code, ended.output).toBe(0)
      await until(() => picture.said() === 'open closed')
      expect(await stored('shared-s3fs/output/alice/picture.png')).toBe('a picture')
      open.close()
      const last = await pod.berth(unlink(pod, '60s', 'bob'))
      expect(last.code, last.output).toBe(0)
    },
    180_000,
  )
})

interface WrittenFile {
  pid: number | undefined
  /** `open`, then `open closed`. */
  said: () => string
  close: () => void
}

/** Writes a file and has it open until it is told to close it, in a process of its own: this one serves what the mount waits for. */
function writeFile(file: string, text: string): WrittenFile {
  // A shell has a second descriptor of what it closes.
  const script = `const { openSync, writeSync, closeSync } = require('node:fs')
    const [file, text] = process.argv.slice(1)
    const open = openSync(file, 'w')
    writeSync(open, text)
    process.stdout.write('open')
    process.stdin.once('data', () => {
      closeSync(open)
      process.stdout.write(' closed')
      process.exit()
    })`
  const child = spawn(process.execPath, ['-e', script, file, text])
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  writers.push(child)
  return { pid: child.pid, said: () => said, close: () => void child.stdin.end('on\n') }
}

/** Asks nothing of the mount, which may hang. */
function isOpen({ pid }: WrittenFile, name: string): boolean {
  const table = `/proc/${pid}/fd`
  return fs.readdirSync(table).some((number) => {
    try {
      return fs.readlinkSync(path.join(table, number)).endsWith(`/${name}`)
    } catch {
      return false
    }
  })
}

async function linkBoth(pod: FaultPod, options: readonly string[]): Promise<void> {
  for (const user of ['alice', 'bob']) {
    const place = ['link', pod.workspace, '--user', user, '--store', pod.url]
    const { code, output } = await pod.berth([...place, '--driver', pod.driver, ...options])
    expect(code, output).toBe(0)
  }
  expect(pod.processes()).toHaveLength(1)
}

function unlink(pod: FaultPod, within: string, user = 'alice'): string[] {
  return ['unlink', pod.workspace, '--user', user, '--within', within]
}

async function stored(key: string): Promise<string | undefined> {
  return (await world.store.get(key))?.toString()
}
