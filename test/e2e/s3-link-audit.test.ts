import { spawn, type ChildProcess } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { FaultWorld } from './faults/fault-world.ts'
import { mayLink, until } from './linking.ts'

const may = mayLink('s3fs')
const testAudit = requirement('s3fs', may)
const waitMs = 60_000
/** Opens files, and closes them later, whatever close(2) answers. */
const careless = `const { openSync, writeSync, closeSync } = require('node:fs')
  const open = process.argv.slice(1).map((file) => openSync(file, 'w'))
  for (const file of open) writeSync(file, 'a picture')
  process.stdout.write('open')
  process.stdin.once('data', () => {
    for (const file of open) try { closeSync(file) } catch { process.stdout.write(' failed') }
    process.exit()
  })`

let world: FaultWorld
const apps: ChildProcess[] = []

beforeAll(async () => {
  if (may === true) world = await FaultWorld.create()
})

afterAll(async () => {
  for (const app of apps) app.kill('SIGKILL')
  if (may === true) await world.end()
}, 120_000)

testAudit(
  'a file that s3fs could not send when it was closed is told, and ends the unlink with an error',
  async () => {
    const keys = world.account()
    await world.store.put('audit/output/old/before.txt', Buffer.from('before'))
    const pod = world.pod({ name: 'audit', driver: 's3fs', keys })
    await pod.link()
    const good = start(pod.output, ['good.png', 'removed.png', 'half.png'])
    await until(() => good.said() === 'open')
    await good.close()
    for (const [from, to] of [['half.png', 'whole.png'] as const])
      fs.renameSync(path.join(pod.output, from), path.join(pod.output, to))
    fs.rmSync(path.join(pod.output, 'removed.png'))
    fs.mkdirSync(path.join(pod.output, 'new/deep'), { recursive: true })
    const lost = ['lost.png', 'old/lost.png', 'new/deep/lost.png']
    const app = start(pod.output, lost)
    await until(() => app.said() === 'open')
    world.revoke(keys)
    await app.close()
    world.admit(keys)
    expect(app.said()).toBe('open failed failed failed')
    const told = await pod.becomes(({ warnings }) => namesIn(warnings).length >= 3, waitMs)
    expect(namesIn(told.warnings).toSorted()).toEqual(
      lost.map((name) => `output/${name}`).toSorted(),
    )
    await pod.becomes(({ colour }) => colour === 'green', waitMs)
    // Of another link of the same mount, which goes on, nothing is missing.
    const other = ['--user', 'bob', '--folder', 'other']
    const linked = ['link', pod.workspace, '--store', pod.url, '--driver', 's3fs', ...other]
    expect(await pod.berth(linked)).toMatchObject({ code: 0 })
    expect(pod.processes()).toHaveLength(1)
    const well = await pod.berth(['unlink', pod.workspace, ...other])
    expect(well.code, well.output).toBe(0)
    const { code, output } = await pod.unlink('60s')
    expect(code, output).toBe(1)
    expect(output).toContain('s3-link/not-arrived')
    expect(output).toContain('`output/old/lost.png`')
    expect(output).not.toContain('good.png')
    // It is unlinked all the same: nobody has these files any more.
    expect(fs.lstatSync(pod.output).isDirectory()).toBe(true)
    expect(pod.processes()).toEqual([])
  },
  180_000,
)

function namesIn(warnings: readonly { code: string; message: string }[]): string[] {
  const found = warnings.find(({ code }) => code === 's3-link/not-arrived')
  return [...(found?.message ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '')
}

function start(folder: string, names: readonly string[]) {
  const files = names.map((name) => path.join(folder, name))
  const child = spawn(process.execPath, ['-e', careless, ...files])
  apps.push(child)
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const ended = new Promise((resolve) => child.once('close', resolve))
  return {
    said: () => said,
    close: async () => {
      child.stdin.end('on\n')
      await ended
    },
  }
}
