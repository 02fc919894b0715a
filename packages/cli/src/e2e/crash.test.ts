import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requirement } from '@berth/core/testing'
import { expect } from 'vitest'
import { isRunning, readStat } from '../supervisor/process-table.ts'
import { eventually, Pod } from './pod.ts'

const withProcfs = requirement('procfs', process.platform === 'linux' || 'it needs /proc')

/** The pipeline process that a supervisor has at the moment. */
function pipelineOf(supervisor: number): number | undefined {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(readStat)
    .find((stat) => stat?.parent === supervisor && stat.group === stat.pid && isPipeline(stat.pid))
    ?.pid
}

function isPipeline(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('start-pipeline')
  } catch {
    return false
  }
}

withProcfs(
  'counts a boot as failed when its process is killed, kills its steps, and shuts down',
  async () => {
    const pod = new Pod(`
boot: [{ id: long, run: 'echo $$ >> "$LOG"; setsid sleep 61; echo never >> "$LOG"' }]
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`)
    const run = pod.boot(['--', 'sh', '-c', 'echo main >> "$LOG"'])
    await eventually(() => pod.log.length > 0)
    const step = Number(pod.log[0])
    process.kill(pipelineOf(run.pid) ?? 0, 'SIGKILL')
    expect((await run.ended).code).toBe(1)
    expect(pod.log.slice(1)).toEqual(['save'])
    expect(run.stderr).toContain(
      "the boot pipeline's process died: it was killed by SIGKILL; `long` was cut  cli/pipeline-died",
    )
    expect(isRunning(step)).toBe(false)
  },
)

withProcfs('outlives the kill of a round, and saves at the end', async () => {
  const pod = new Pod(`
grace: 12s
shutdown: [{ id: save, every: 100ms, run: 'echo round >> "$LOG"; [ -e stopping ] || sleep 60; echo saved >> "$LOG"' }]
`)
  const run = pod.boot([
    '--',
    'sh',
    '-c',
    'trap "touch stopping; exit 0" TERM; while :; do sleep 0.05; done',
  ])
  await eventually(() => pod.log.includes('round'))
  process.kill(pipelineOf(run.pid) ?? 0, 'SIGKILL')
  await eventually(() => run.stderr.includes('was killed by SIGKILL'))
  await eventually(() => pod.log.length > 1)
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
  expect(pod.log.slice(-2)).toEqual(['round', 'saved'])
})

withProcfs('ends with 1 when the shutdown’s process is killed', async () => {
  const pod = new Pod(`shutdown: [{ id: save, run: 'echo begun >> "$LOG"; sleep 60' }]`)
  const run = pod.boot(['--', 'true'])
  await eventually(() => pod.log.includes('begun'))
  process.kill(pipelineOf(run.pid) ?? 0, 'SIGKILL')
  expect((await run.ended).code).toBe(1)
})

withProcfs('says what the engine said last when a pipeline ran out of memory', async () => {
  const pod = new Pod('boot: [{ id: one, run: "true" }]')
  const run = pod.boot(['--', 'true'], { NODE_OPTIONS: '--max-old-space-size=8' })
  expect((await run.ended).code).toBe(1)
  expect(run.stderr).toMatch(/the boot pipeline's process died: it was killed by SIGABRT/)
  expect(run.stderr).toContain('heap')
})

withProcfs('ends what is left of a pod, wherever it went', async () => {
  const pod = new Pod(
    `boot: [{ id: daemon, run: 'setsid sh -c "echo \\$\\$ >> $LOG; exec sleep 62" > /dev/null 2>&1 &' }]`,
  )
  const run = pod.boot([
    '--',
    'sh',
    '-c',
    'for _ in $(seq 400); do if [ -s "$LOG" ]; then break; fi; sleep 0.05; done; sleep 0.2; setsid sleep 63 & echo $! >> "$LOG"',
  ])
  expect((await run.ended).code).toBe(0)
  expect(pod.log).toHaveLength(2)
  expect(pod.log.map((pid) => isRunning(Number(pid)))).toEqual([false, false])
})

withProcfs('cancels a pipeline whose supervisor was killed', async () => {
  const pod = new Pod(`boot: [{ id: long, run: 'echo $$ >> "$LOG"; [ -e second ] || sleep 64' }]`)
  const run = pod.boot()
  await eventually(() => pod.log.length > 0)
  const pipeline = pipelineOf(run.pid) ?? 0
  run.kill('SIGKILL')
  await run.ended
  await eventually(() => !isRunning(pipeline) && !isRunning(Number(pod.log[0])))
  writeFileSync(join(pod.directory, 'second'), '')
  const second = pod.boot(['--', 'true'])
  expect((await second.ended).code, 'the stale pid file is taken over').toBe(0)
  const told = 'an earlier boot was not put away: what is left of it is ended and taken back'
  expect(second.stderr).toContain(told)
  expect(run.stderr).not.toContain(told)
})
