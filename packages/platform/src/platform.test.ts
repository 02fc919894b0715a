import { execFileSync, spawn } from 'node:child_process'
import diagnosticsChannel from 'node:diagnostics_channel'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, hostname, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readCpuQuota, readMemoryLimit } from './cgroup.ts'
import { detectPlatform } from './platform.ts'

/** A root directory with these files. */
function makeRoot(files: Record<string, string> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'berth-platform-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

test.each([
  [{ RUNPOD_POD_ID: 'abc123', KUBERNETES_SERVICE_HOST: '10.0.0.1' }, 'runpod', 'abc123', 5_000],
  [{ VAST_CONTAINERLABEL: 'C.42' }, 'vast', 'C.42', 10_000],
  [{ CONTAINER_LABEL: 'C.42', HOSTNAME: 'h' }, 'vast', 'h', 10_000],
  [{ KUBERNETES_SERVICE_HOST: '10.0.0.1', HOSTNAME: 'web-0' }, 'kubernetes', 'web-0', 30_000],
  [{ LIGHTNING_CLOUD_PROJECT_ID: 'p', HOSTNAME: 'h' }, 'lightning', 'h', 10_000],
  [{ SLURM_JOB_ID: '77', HOSTNAME: 'node1' }, 'slurm', '77', 30_000],
  [{ HOSTNAME: 'h' }, process.platform === 'darwin' ? 'macos' : 'linux', 'h', 10_000],
  [
    { RUNPOD_POD_ID: '', HOSTNAME: 'h' },
    process.platform === 'darwin' ? 'macos' : 'linux',
    'h',
    10_000,
  ],
] as const)('with %j it is %s', async (env, name, pod, graceMs) => {
  expect(await detectPlatform({ env, root: makeRoot() })).toMatchObject({ name, pod, graceMs })
})

test('knows a Lightning studio and a SLURM login node by their files', async () => {
  const root = makeRoot({ 'teamspace/x': '', 'bin/squeue': '' })
  expect((await detectPlatform({ env: {}, root })).name).toBe('lightning')
  const env = { PATH: `/nowhere:${join(root, 'bin')}` }
  expect((await detectPlatform({ env, root: makeRoot() })).name).toBe('slurm-login')
  expect(
    (await detectPlatform({ env: { ...env, SLURM_JOB_ID: '1' }, root: makeRoot() })).name,
  ).toBe('slurm')
})

test.each([
  [{}, {}, false],
  [{}, { '.dockerenv': '' }, true],
  [{}, { 'run/.containerenv': '' }, true],
  [{}, { 'proc/1/cgroup': '12:cpu:/docker/0123\n' }, true],
  [{}, { 'proc/1/cgroup': '0::/init.scope\n' }, false],
  [{ container: 'podman' }, {}, true],
  [{ RUNPOD_POD_ID: 'abc' }, {}, true],
])('with %j and %j container is %s', async (env, files, container) => {
  expect((await detectPlatform({ env, root: makeRoot(files) })).container).toBe(container)
})

test.each([
  [{ 'dev/nvidia0': '' }, true],
  [{ 'dev/nvidia12': '' }, true],
  [{ 'dev/kfd': '' }, true],
  [{ 'dev/nvidiactl': '', 'dev/nvidia-uvm': '' }, false],
  [{}, false],
])('with %j gpu is %s', async (files, gpu) => {
  expect((await detectPlatform({ env: {}, root: makeRoot(files) })).gpu).toBe(gpu)
})

test('opens /dev/fuse to know whether it may', async () => {
  expect((await detectPlatform({ env: {}, root: makeRoot() })).fuse).toBe(false)
  expect((await detectPlatform({ env: {}, root: makeRoot({ 'dev/fuse': '' }) })).fuse).toBe(true)
  expect((await detectPlatform({ env: {}, root: makeRoot({ 'dev/fuse/x': '' }) })).fuse).toBe(false)
})

test.each([
  [{ 'sys/fs/cgroup/cpu.max': '150000 100000\n' }, 1.5],
  [{ 'sys/fs/cgroup/cpu.max': 'max 100000\n' }, undefined],
  [{ 'sys/fs/cgroup/cpu.max': 'rubbish' }, undefined],
  [{}, undefined],
  [
    {
      'proc/self/cgroup': '0::/kubepods/pod1\n',
      'sys/fs/cgroup/kubepods/cpu.max': '800000 100000',
      'sys/fs/cgroup/kubepods/pod1/cpu.max': '200000 100000',
    },
    2,
  ],
  [
    {
      'proc/self/cgroup': '0::/kubepods/pod1\n',
      'sys/fs/cgroup/kubepods/cpu.max': '50000 100000',
      'sys/fs/cgroup/kubepods/pod1/cpu.max': 'max 100000',
    },
    0.5,
  ],
  [
    {
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '400000',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
    },
    4,
  ],
  [
    { 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1', 'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' },
    undefined,
  ],
  [
    {
      'proc/self/cgroup': '3:memory:/m\n2:cpu,cpuacct:/docker/ab\n0::/\n',
      'sys/fs/cgroup/cpu/docker/ab/cpu.cfs_quota_us': '300000',
      'sys/fs/cgroup/cpu/docker/ab/cpu.cfs_period_us': '100000',
    },
    3,
  ],
])('reads from %j the quota %s', (files, quota) => {
  expect(readCpuQuota(makeRoot(files))).toBe(quota)
})

test.each([
  [{ 'sys/fs/cgroup/memory.max': '8589934592\n' }, 8_589_934_592],
  [{ 'sys/fs/cgroup/memory.max': 'max\n' }, undefined],
  [{ 'sys/fs/cgroup/memory/memory.limit_in_bytes': '1073741824' }, 1_073_741_824],
  [{ 'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712' }, undefined],
  [{}, undefined],
])('reads from %j the memory limit %s', (files, bytes) => {
  expect(readMemoryLimit(makeRoot(files))).toBe(bytes)
})

test('counts the CPUs that may be used, at least one', async () => {
  const cpusWith = async (quota: string) =>
    (await detectPlatform({ env: {}, root: makeRoot({ 'sys/fs/cgroup/cpu.max': quota }) })).cpus
  expect(await cpusWith('max 100000')).toBe(availableParallelism())
  expect(await cpusWith('10000 100000')).toBe(1)
  expect(await cpusWith('9900000 100000')).toBe(availableParallelism())
})

test('names this machine as the machine names itself', async () => {
  const facts = await detectPlatform({ env: {} })
  const versionOf = (text: string) => /\d+\.\d+/.exec(text)?.[0]
  expect(facts.pod).toBe(hostname())
  expect(facts.arch).toBe(process.arch)
  expect(facts.isInit).toBe(false)
  expect(facts.memoryBytes).toBeGreaterThan(2 ** 20)
  const glibc = process.platform === 'linux' ? execFileSync('getconf', ['GNU_LIBC_VERSION']) : ''
  expect(facts.glibc).toBe(versionOf(glibc.toString()))
})

test('starts no process', async () => {
  const started: unknown[] = []
  const note = (message: unknown) => started.push(message)
  diagnosticsChannel.subscribe('child_process', note)
  await detectPlatform({ env: {} })
  expect(started).toHaveLength(0)
  spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  expect(started).toHaveLength(1)
  diagnosticsChannel.unsubscribe('child_process', note)
})
