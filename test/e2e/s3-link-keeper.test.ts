import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { mayMount, requirement } from '@berth/core/testing'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import type { FaultPod } from './faults/fault-pod.ts'
import { FaultWorld } from './faults/fault-world.ts'
import { mayLink, until } from './linking.ts'

const may = mayLink('s3fs')
const testKeeper = requirement('s3fs', may)
const testPods = requirement('mount', may === true ? mayMount() : may)
const waitMs = 60_000
/** A machine with another name. */
const otherHost = ['unshare', '--uts', 'sh', '-c', 'hostname other-pod && exec "$@"', 'sh']

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
describe.concurrent('a mount', () => {
  testKeeper(
    'a keeper that was killed is followed by another, which takes its daemon over',
    async () => {
      const pod = world.pod({ name: 'followed', driver: 's3fs' })
      await pod.link()
      const [before] = pod.processes()
      const late = await openFile(pod, 'late.txt', 'half')
      const gone = await killKeeper(pod)
      expect(gone).toMatchObject({ colour: 'red', reason: { code: 's3-link/keeper-ended' } })
      expect(gone.safeToStop.safe).toBe(false)
      // Who asks how it is has it started again.
      await pod.berth(['mounts'])
      await pod.becomes(({ colour }) => colour === 'green', waitMs)
      const [after] = pod.processes()
      expect(after?.daemon).toBe(before?.daemon)
      expect(after?.keeper).not.toBe(before?.keeper)
      expect(await late.finish('whole')).toBe(true)
      await killKeeper(pod)
      // So has who links, and who unmounts.
      await pod.link()
      expect((await pod.status())?.colour).toBe('green')
      await killKeeper(pod)
      expect(await pod.unlink('20s')).toMatchObject({ code: 0 })
      expect(await stored('followed/output/late.txt')).toBe('halfwhole')
      expect(pod.processes()).toEqual([])
    },
  )

  testKeeper(
    'a mount whose keeper and daemon were killed is ended without a file lost',
    async () => {
      const pod = world.pod({ name: 'both', driver: 's3fs' })
      await pod.link()
      pod.signalDaemon('SIGKILL')
      await pod.becomes(({ links }) => links[0]?.leadsTo === 'spool', waitMs)
      fs.writeFileSync(path.join(pod.output, 'meanwhile.txt'), 'meanwhile')
      await killKeeper(pod)
      const { code, output } = await pod.unlink('30s')
      expect(code, output).toBe(0)
      expect(await stored('both/output/meanwhile.txt')).toBe('meanwhile')
    },
    120_000,
  )

  testKeeper(
    'what a daemon that hangs has open is saved before it is ended, and named',
    async () => {
      const options = ['end-hung-after=5s']
      const pod = world.pod({ name: 'hung', driver: 's3fs', options })
      await pod.link()
      const body = 'as far as it was written'.repeat(1000)
      const file = await openFile(pod, 'open.txt', body)
      pod.signalDaemon('SIGSTOP')
      await pod.becomes(({ restarts, colour }) => restarts > 0 && colour === 'green', waitMs)
      const { warnings } = (await pod.status()) ?? {}
      expect(warnings?.[0]?.code).toBe('s3-link/rescued')
      expect(warnings?.[0]?.message).toMatch(/rescued\/\w+-maybe-partial\/open\.txt/)
      expect(await file.finish('more')).toBe(false)
      const [folder = ''] = fs.readdirSync(path.join(pod.output, 'rescued'))
      expect(await stored(`hung/output/rescued/${folder}/open.txt`)).toBe(body)
      expect(await pod.unlink('20s')).toMatchObject({ code: 0 })
    },
    120_000,
  )

  testKeeper(
    'what is written where nothing is mounted is sent, and hidden by no mount',
    async () => {
      const pod = world.pod({ name: 'shadow', driver: 's3fs' })
      await pod.link()
      const [{ mountPoint } = { mountPoint: '' }] = pod.processes()
      expect(await pod.unlink('20s')).toMatchObject({ code: 0 })
      const place = path.join(mountPoint, 'output', 'day')
      fs.mkdirSync(place, { recursive: true })
      fs.writeFileSync(path.join(place, 'shadow.txt'), 'a shadow')
      fs.writeFileSync(path.join(mountPoint, 'beside.txt'), 'beside')
      await pod.link()
      await pod.becomes(({ colour }) => colour === 'green', waitMs)
      expect(await stored('shadow/output/day/shadow.txt')).toBe('a shadow')
      expect(fs.readFileSync(path.join(pod.output, 'day', 'shadow.txt'), 'utf8')).toBe('a shadow')
      expect((await pod.status())?.warnings[0]?.message).toContain('shadow.txt')
      expect(await pod.unlink('20s')).toMatchObject({ code: 0 })
    },
    120_000,
  )

  testKeeper(
    'a bucket that another takes the place of is seen, and gets nothing of what waits',
    async () => {
      const pod = world.pod({ name: 'swapped', driver: 's3fs' })
      await pod.link()
      const mark = await world.store.get('swapped/.berth-link.json')
      await world.store.put('swapped/.berth-link.json', Buffer.from('of another'))
      await pod.becomes(({ state }) => state === 'identity-mismatch', waitMs)
      expect(fs.readlinkSync(pod.output)).toMatch(/\/spool$/)
      fs.writeFileSync(path.join(pod.output, 'waiting.txt'), 'waiting')
      expect(await pod.unlink('20s')).toMatchObject({ code: 0 })
      expect(await stored('swapped/output/waiting.txt')).toBeUndefined()
      expect(fs.readFileSync(path.join(pod.output, 'waiting.txt'), 'utf8')).toBe('waiting')
      await expect(pod.link()).rejects.toThrow('s3-link/identity-mismatch')
      expect(await stored('swapped/output/waiting.txt')).toBeUndefined()
      expect(pod.processes()).toEqual([])
      await world.store.put('swapped/.berth-link.json', mark ?? Buffer.alloc(0))
      await pod.link()
      expect(await stored('swapped/output/waiting.txt')).toBe('waiting')
      expect(await pod.unlink('20s')).toMatchObject({ code: 0 })
    },
    120_000,
  )

  testPods(
    'a folder that another pod on the same volume keeps is not linked, and taken when that one is gone',
    async () => {
      const pod = world.pod({ name: 'first', driver: 's3fs' })
      await pod.link()
      const other = world.pod({
        name: 'second',
        driver: 's3fs',
        workspace: pod.workspace,
        within: otherHost,
      })
      await expect(other.link()).rejects.toThrow('s3-link/other-pod')
      expect(fs.readlinkSync(pod.output)).toContain(pod.linkFolder)
      fs.writeFileSync(path.join(pod.output, 'first.txt'), 'first')
      pod.die()
      await other.link()
      expect(fs.readlinkSync(pod.output)).toContain(other.linkFolder)
      expect(await other.unlink('20s')).toMatchObject({ code: 0 })
    },
    120_000,
  )
})

async function killKeeper(pod: FaultPod) {
  for (const { keeper } of pod.processes()) process.kill(keeper, 'SIGKILL')
  return pod.becomes(({ reason }) => reason?.code === 's3-link/keeper-ended', waitMs)
}

interface OpenFile {
  /** Writes more, and closes it; says whether that could be written. */
  finish: (text: string) => Promise<boolean>
}

/** Has a file open in the folder, in a process of its own: it may hang there. */
async function openFile(pod: FaultPod, name: string, text: string): Promise<OpenFile> {
  const script =
    'exec 3> "$1"; printf %s "$2" >&3; echo open; read more; printf %s "$more" >&3 && echo written; exec 3>&-'
  const child = spawn('sh', ['-c', script, 'sh', path.join(pod.output, name), text])
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const ended = new Promise((resolve) => child.once('close', resolve))
  writers.push(child)
  await until(() => said.includes('open'))
  return {
    finish: async (more) => {
      child.stdin.end(`${more}\n`)
      await ended
      return said.includes('written')
    },
  }
}

async function stored(key: string): Promise<string | undefined> {
  return (await world.store.get(key))?.toString()
}
