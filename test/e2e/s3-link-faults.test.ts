import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { requirement } from '@berth/core/testing'
import { afterEach, beforeEach, expect } from 'vitest'
import { type LinkingPod, mayLink, mountProcesses, startLinkingPod, until } from './linking.ts'

const may = mayLink('s3fs')
const testFault = requirement('s3fs', may)

let pod: LinkingPod
let folder: string

beforeEach(async () => {
  if (may !== true) return
  pod = await startLinkingPod()
  folder = path.join(pod.root, 'output')
})

afterEach(async () => {
  if (may === true) await pod.end()
})

testFault(
  'a mount with an open file stays mounted after the deadline, names who has it, and goes later',
  async () => {
    link()
    const late = path.join(folder, 'late.txt')
    const writer = spawn('sh', [
      '-c',
      `exec 3> "$1" && printf half >&3 && read wait && printf whole >&3`,
      'sh',
      late,
    ])
    await until(() => fs.existsSync(late))
    const cut = pod.berth(['unlink', pod.root, '--within', '1s'])
    expect(cut.stderr).toContain('s3-link/not-sent')
    expect(cut.stderr).toMatch(/open in sh \(\d+\)/)
    expect(cut.code).toBe(1)
    expect((await pod.status()).state).toBe('drain-timeout')
    const early = pod.berth(['link', pod.root, '--store', pod.url, '--driver', 's3fs'])
    expect(early.stderr).toContain('an unmount ran out of time')
    expect(early.code).toBe(1)
    writer.stdin.end('\n')
    await new Promise((resolve) => writer.once('exit', resolve))
    await until(async () => (await pod.status()).safeToStop.safe)
    expect((await pod.status()).state).toBe('drain-timeout')
    link()
    await until(async () => (await pod.status()).state === 'active')
    expect(fs.readFileSync(late, 'utf8')).toBe('halfwhole')
    expect(pod.berth(['unlink', pod.root, '--within', '20s']).code).toBe(0)
    expect((await pod.store.get('output/late.txt'))?.toString()).toBe('halfwhole')
  },
  60_000,
)

testFault('no key stands in an argument, an environment or a file that others can read', () => {
  link()
  const secret = pod.server.env['AWS_SECRET_ACCESS_KEY'] ?? ''
  for (const { keeper, daemon } of mountProcesses(pod)) {
    for (const pid of [keeper, daemon]) {
      for (const file of ['cmdline', 'environ']) {
        expect(fs.readFileSync(`/proc/${pid}/${file}`, 'latin1'), `${pid} ${file}`).not.toContain(
          secret,
        )
      }
    }
  }
  const holding = readFilesBelow(pod.env['BERTH_LINK_DIR'] ?? '').filter(({ text }) =>
    text.includes(secret),
  )
  expect(holding.length).toBeGreaterThan(0)
  expect(holding.filter(({ mode }) => (mode & 0o077) !== 0)).toEqual([])
  expect(pod.berth(['mounts', '--json', '--log']).stdout).not.toContain(secret)
})

testFault(
  'a link that leads nowhere after a restart leads to the disk, also when the server is down',
  async () => {
    link()
    const [{ keeper, daemon } = { keeper: 0, daemon: 0 }] = mountProcesses(pod)
    const { mountPoint } = await pod.status()
    process.kill(keeper, 'SIGKILL')
    process.kill(daemon, 'SIGKILL')
    // As after the restart of a pod: the mount and all that was in memory are gone, and the volume with the link is still there.
    await until(async () => (await pod.status()).colour === 'red')
    pod.unmountLazily(mountPoint)
    fs.rmSync(pod.env['BERTH_LINK_DIR'] ?? '', { recursive: true })
    expect(fs.existsSync(folder)).toBe(false)
    const down = 's3://art?endpoint=http://127.0.0.1:1'
    const linked = pod.berth(['link', pod.root, '--store', down, '--driver', 's3fs'])
    expect(linked.code).toBe(1)
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'new.txt'), 'new')
    link()
    await until(async () => (await pod.status()).colour === 'green')
    expect(fs.readFileSync(path.join(folder, 'new.txt'), 'utf8')).toBe('new')
    expect((await pod.store.get('output/new.txt'))?.toString()).toBe('new')
  },
  60_000,
)

testFault('files that are in the folder are sent first, and the original is kept', async () => {
  fs.mkdirSync(path.join(folder, 'day'), { recursive: true })
  fs.writeFileSync(path.join(folder, 'day', 'old.txt'), 'old')
  const refused = pod.berth(['link', pod.root, '--store', pod.url, '--driver', 's3fs', '--keep'])
  expect(refused.stderr).toContain('s3-link/filled')
  link()
  expect(fs.readFileSync(path.join(folder, 'day', 'old.txt'), 'utf8')).toBe('old')
  expect((await pod.store.get('output/day/old.txt'))?.toString()).toBe('old')
  const aside = fs
    .readdirSync(pod.root)
    .filter((name) => name.includes('output') && name !== 'output')
  expect(aside).toHaveLength(1)
  expect(fs.readFileSync(path.join(pod.root, aside[0] ?? '', 'day', 'old.txt'), 'utf8')).toBe('old')
})

/** Writes files of 100 kB one after another, and notes the sum of each that was written and closed without an error. */
const writerScript = `i=0; while [ ! -e "$1/stop" ]; do i=$((i+1)); head -c 100000 /dev/urandom > "$1/next"
  sum=$(sha256sum < "$1/next"); if cp "$1/next" "$1/output/$i.bin" 2>/dev/null; then echo "$i $sum" >> "$1/written"; fi; sleep 0.03; done`

testFault(
  'a daemon that is killed twice while files are written loses none that was closed',
  async () => {
    link()
    const writer = spawn('sh', ['-c', writerScript, 'sh', pod.root], { stdio: 'ignore' })
    try {
      for (const restarts of [1, 2]) {
        await new Promise((resolve) => setTimeout(resolve, 500 * restarts))
        const [{ daemon } = { daemon: 0 }] = mountProcesses(pod)
        process.kill(daemon, 'SIGKILL')
        await until(async () => {
          const status = await pod.status()
          return status.restarts === restarts && status.links[0]?.leadsTo === 'mount'
        })
      }
    } finally {
      fs.writeFileSync(path.join(pod.root, 'stop'), '')
      await new Promise((resolve) => writer.once('exit', resolve))
    }
    expect(pod.berth(['unlink', pod.root, '--within', '40s']).code).toBe(0)
    const sums = new Set<string>()
    for await (const { key } of pod.store.list('output/')) {
      const body = (await pod.store.get(key)) ?? Buffer.alloc(0)
      sums.add(createHash('sha256').update(body).digest('hex'))
    }
    const written = fs.readFileSync(path.join(pod.root, 'written'), 'utf8').trim().split('\n')
    expect(written.length).toBeGreaterThan(50)
    expect(written.filter((line) => !sums.has(line.split(' ')[1] ?? ''))).toEqual([])
  },
  120_000,
)

function link(): void {
  const { code, stderr } = pod.berth(['link', pod.root, '--store', pod.url, '--driver', 's3fs'])
  expect(code, stderr).toBe(0)
}

function readFilesBelow(directory: string): { mode: number; text: string }[] {
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(directory, entry.name)
    if (entry.isDirectory()) return entry.name === 'mount' ? [] : readFilesBelow(full)
    if (!entry.isFile()) return []
    return [{ mode: fs.statSync(full).mode, text: fs.readFileSync(full, 'latin1') }]
  })
}
