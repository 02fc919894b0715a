import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { requirement } from '@berth/core/testing'
import { expect, test } from 'vitest'
import { readStat } from '../supervisor/process-table.ts'
import { eventually, Pod } from './pod.ts'

/** Of every process of ours, for a command that prints without end. */
const mostMegabytes = 150
/** A gigabyte takes 20 s where nothing else runs. */
const patienceMs = 300_000

const withProcfs = requirement('procfs', process.platform === 'linux' || 'it needs /proc')

/** The peaks, in MB, of a supervisor and of the pipeline processes that it has had, for as long as it lives. */
async function watchMemory(supervisor: number, isOver: () => boolean): Promise<[number, number]> {
  let peaks: [number, number] = [0, 0]
  await eventually(
    () => {
      const pipelines = readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name) && readStat(name)?.parent === supervisor)
        .map(peakMegabytes)
      peaks = [Math.max(peaks[0], peakMegabytes(supervisor)), Math.max(peaks[1], ...pipelines)]
      return isOver()
    },
    () => 'it runs',
    patienceMs,
  )
  return peaks
}

function peakMegabytes(pid: number | string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

withProcfs(
  'stays small while a step prints a gigabyte, and says that lines were left out when it left some out',
  async () => {
    const pod = new Pod(`
boot: [{ id: loud, shell: sh, run: 'yes "$(printf %099d 0)" | head -c 1000000000; echo "the last line"' }]
`)
    const run = pod.boot(['--', 'true'])
    let printed = 0
    let tail = ''
    let hasConfessed = false
    run.child.stderr?.removeAllListeners('data')
    run.child.stderr?.on('data', (data: Buffer) => {
      printed += data.length
      tail = (tail + data.toString()).slice(-100_000)
      hasConfessed ||= tail.includes('left out')
    })
    let over = false
    void run.ended.then(() => (over = true))
    const [supervisor, pipeline] = await watchMemory(run.pid, () => over)
    expect((await run.ended).code).toBe(0)
    expect(supervisor).toBeGreaterThan(20)
    expect(supervisor).toBeLessThan(mostMegabytes)
    expect(pipeline).toBeGreaterThan(20)
    expect(pipeline).toBeLessThan(mostMegabytes)
    expect(printed > 1_000_000_000 || hasConfessed).toBe(true)
    expect(tail).toContain('the last line')
  },
  patienceMs + 10_000,
)

test('keeps the supervisor free of what only a pipeline needs', async () => {
  const pod = new Pod('boot: [{ id: one, run: echo one }]')
  const coverage = join(pod.directory, 'coverage')
  mkdirSync(coverage)
  const run = pod.boot(['--', 'true'], { NODE_V8_COVERAGE: coverage })
  expect((await run.ended).code).toBe(0)
  const heavy = /\/node_modules\/(yaml|zod|zx|@aws-sdk|@actions|tar)\//
  const modulesOf = (isWanted: (pid: number) => boolean): string[] =>
    readdirSync(coverage)
      .filter((name) => isWanted(Number(name.split('-')[1])))
      .flatMap((name) => {
        const report = JSON.parse(readFileSync(join(coverage, name), 'utf8')) as {
          result: { url: string }[]
        }
        return report.result.map(({ url }) => url)
      })
  const supervisor = modulesOf((pid) => pid === run.pid)
  expect(supervisor.some((url) => url.endsWith('supervisor.ts'))).toBe(true)
  expect(supervisor.filter((url) => heavy.test(url))).toEqual([])
  expect(modulesOf((pid) => pid !== run.pid).some((url) => heavy.test(url))).toBe(true)
})

test('hides secrets in everything that steps print, in errors and in main’s command line', async () => {
  const secret = 's3cr3t/with+odd=chars'
  const pod = new Pod(`
secrets: [HF_TOKEN]
boot:
  - id: speaks
    secrets: [HF_TOKEN]
    run: |
      echo "token $HF_TOKEN"
      printf %s "$HF_TOKEN" | base64
      echo "half: \${HF_TOKEN%with*}"; printf %s "$HF_TOKEN" | sed 's/w/w\\\\n/' > /dev/null
  - { id: withheld, run: 'echo "withheld [\${HF_TOKEN:-}]"' }
  - id: fails
    secrets: [HF_TOKEN]
    run: 'echo "refused $HF_TOKEN" >&2; exit 1'
    optional: true
`)
  const run = pod.boot(['--', 'true', secret], {
    HF_TOKEN: secret,
    AWS_SECRET_ACCESS_KEY: `${secret}2`,
  })
  expect((await run.ended).code).toBe(0)
  expect(run.stderr).toContain('token [secret]')
  expect(run.stderr).toContain('withheld []')
  expect(run.stderr).toContain('refused [secret]')
  expect(run.stderr).toContain('running true [secret]')
  expect(run.stderr).not.toContain(secret)
  expect(run.stderr).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20))
})

test('prints the events as JSON, one a line, with --json', async () => {
  const pod = new Pod('boot: [{ id: one, run: echo hi }]\nshutdown: [{ id: save, run: "true" }]')
  const run = pod.boot(['--json', '--', 'true'])
  expect((await run.ended).code).toBe(0)
  expect(run.stderr).toBe('')
  const events = run.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; time: number })
  expect(events.map(({ type }) => type)).toEqual([
    'pipeline:start',
    'step:start',
    'step:log',
    'step:end',
    'pipeline:end',
    'main:start',
    'main:end',
    'pipeline:start',
    'step:start',
    'step:end',
    'pipeline:end',
    'note',
  ])
  expect(events.every(({ time }) => Math.abs(time - Date.now()) < 60_000)).toBe(true)
})

test('never rewrites a line where stderr is no terminal', async () => {
  const run = new Pod('boot: [{ id: one, run: printf "a\\\\rb\\\\n" }]').boot(['--', 'true'])
  await run.ended
  expect(run.stderr).not.toMatch(/\p{Cc}(?<!\n)/u)
})

test('lives on, and saves, when whoever read its output is gone', async () => {
  const pod = new Pod('shutdown: [{ id: save, run: echo save; echo save >> "$LOG" }]')
  const run = pod.boot(['--', 'sh', '-c', 'echo main >> "$LOG"; sleep 0.3'])
  run.child.stderr?.destroy()
  run.child.stdout?.destroy()
  expect((await run.ended).code).toBe(0)
  expect(pod.log).toEqual(['main', 'save'])
})
