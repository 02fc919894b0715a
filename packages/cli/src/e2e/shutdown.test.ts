import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { requirement } from '@berth/core/testing'
import { expect, test } from 'vitest'
import { isRunning } from '../supervisor/process-table.ts'
import { eventually, Pod, type RunningBerth } from './pod.ts'

const withProcfs = requirement('procfs', process.platform === 'linux' || 'it needs /proc')

const recipe = `
name: pod
grace: 20s
boot: [{ id: first, run: 'echo boot >> "$LOG"' }]
shutdown: [{ id: save, run: 'sleep 0.2; echo save >> "$LOG"' }]
`
const polite = `trap 'echo term >> "$LOG"; exit 0' TERM; echo main >> "$LOG"; while :; do sleep 0.05; done`

async function running(pod: Pod): Promise<RunningBerth> {
  const run = pod.boot(['--', 'sh', '-c', polite])
  await eventually(
    () => pod.log.includes('main'),
    () => run.stderr,
  )
  return run
}

const askAndWait = ['shutdown', '--wait']

test('has the running boot stop main and save, waits for it, and says how it went', async () => {
  const pod = new Pod(recipe)
  const run = await running(pod)
  const asked = pod.berth([...askAndWait, '--reason', 'preStop'])
  expect((await asked.ended).code).toBe(0)
  expect(asked.stdout).toMatch(
    /^everything was put away in .*: pod: boot ready in .*, main ended with 0, shutdown complete in .*; exit code 0\n$/,
  )
  expect((await run.ended).code).toBe(0)
  expect(run.stderr).toContain('`berth shutdown` (preStop): stopping main, 19.')
  expect(pod.log).toEqual(['boot', 'main', 'term', 'save'])
})

test('returns at once without --wait, and the shutdown goes on', async () => {
  const pod = new Pod(recipe.replace('sleep 0.2', 'sleep 2'))
  const run = await running(pod)
  const asked = pod.berth(['shutdown', '--json'])
  expect((await asked.ended).code).toBe(0)
  expect(JSON.parse(asked.stdout)).toEqual({ state: 'begun' })
  expect(pod.log).not.toContain('save')
  expect((await run.ended).code).toBe(0)
  expect(pod.log.at(-1)).toBe('save')
})

test('joins the shutdown that runs already, and saves once however many ask', async () => {
  const pod = new Pod(recipe)
  const run = await running(pod)
  const asked = [pod.berth(askAndWait), pod.berth(askAndWait)]
  run.kill('SIGTERM')
  const ends = await Promise.all(asked.map(({ ended }) => ended))
  expect(ends.map(({ code }) => code)).toEqual([0, 0])
  expect((await run.ended).code).toBe(0)
  expect(pod.log).toEqual(['boot', 'main', 'term', 'save'])
})

test('gives the shutdown the time that --grace says', async () => {
  const pod = new Pod(recipe.replace('sleep 0.2', 'sleep 90'))
  const run = await running(pod)
  const asked = pod.berth([...askAndWait, '--grace', '2s'])
  expect((await asked.ended).code).toBe(1)
  expect(asked.stdout).toContain('not everything was put away')
  expect((await run.ended).durationMs).toBeLessThan(15_000)
  expect(pod.log).toEqual(['boot', 'main', 'term'])
})

test('cancels a boot that has not come to its end, and puts away what it did', async () => {
  const pod = new Pod(
    recipe.replace('run: \'echo boot >> "$LOG"', 'run: \'echo boot >> "$LOG"; sleep 60'),
  )
  const run = pod.boot(['--', 'sh', '-c', polite])
  await eventually(() => pod.log.includes('boot'))
  expect((await pod.berth(askAndWait).ended).code).toBe(0)
  expect((await run.ended).code).toBe(143)
  expect(pod.log).toEqual(['boot', 'save'])
})

test('has nothing to do where all was put away, and is in the wrong place where nothing has booted', async () => {
  const pod = new Pod(recipe)
  const first = pod.berth(askAndWait)
  expect((await first.ended).code).toBe(2)
  expect(first.stderr).toContain('cli/no-record')
  expect(first.stderr).toContain(join(pod.directory, 'state'))
  expect((await pod.boot(['--', 'true']).ended).code).toBe(0)
  const second = pod.berth(['shutdown', '--json'])
  expect((await second.ended).code).toBe(0)
  expect(JSON.parse(second.stdout)).toEqual({ state: 'nothing' })
  const third = pod.berth(['shutdown'])
  expect((await third.ended).code).toBe(0)
  expect(third.stdout).toBe(`there is nothing to shut down in ${join(pod.directory, 'state')}\n`)
  expect(pod.log).toEqual(['boot', 'save'])
})

withProcfs('ends the life of a supervisor that was killed, once however many ask', async () => {
  const pod = new Pod(recipe)
  const run = pod.boot(['--', 'sh', '-c', `echo $$ >> "$LOG"; ${polite}`])
  await eventually(() => pod.log.includes('main'))
  const main = Number(pod.log.find((line) => /^\d+$/.test(line)))
  const record = join(pod.directory, 'state/events.jsonl')
  await eventually(() => existsSync(record) && readFileSync(record, 'utf8').includes('main:start'))
  run.kill('SIGKILL')
  await run.exited
  const asked = [pod.berth(askAndWait), pod.berth(askAndWait), pod.berth(askAndWait)]
  const ends = await Promise.all(asked.map(({ ended }) => ended))
  expect(
    ends.map(({ code }) => code),
    asked.map(({ stderr }) => stderr).join('\n'),
  ).toEqual([0, 0, 0])
  expect(isRunning(main)).toBe(false)
  expect(pod.log.filter((line) => !/^\d+$/.test(line))).toEqual(['boot', 'main', 'term', 'save'])
  const texts = asked.map(({ stdout }) => stdout)
  expect(texts.some((text) => text.startsWith('everything was put away'))).toBe(true)
  const status = pod.berth(['status'])
  await status.ended
  expect(status.stdout).toMatch(
    /ended: it was killed, .*; `berth shutdown` put it away\n[^]*main: ended by `berth shutdown`/,
  )
})

withProcfs('goes on where a killed `berth shutdown` left off', async () => {
  const pod = new Pod(
    recipe.replace('sleep 0.2', 'echo begun >> "$LOG"; [ -e second ] || sleep 60'),
  )
  const run = await running(pod)
  run.kill('SIGKILL')
  await run.exited
  const first = pod.berth(['shutdown'])
  await eventually(() => pod.log.includes('begun'))
  first.kill('SIGKILL')
  await first.exited
  pod.write('second', '')
  expect((await pod.berth(['shutdown']).ended).code).toBe(0)
  expect(pod.log).toEqual(['boot', 'main', 'term', 'begun', 'begun', 'save'])
})

withProcfs(
  'puts a life away behind a boot that was refused, and tells it of that life',
  async () => {
    const pod = new Pod(recipe)
    const run = await running(pod)
    run.kill('SIGKILL')
    await run.exited
    pod.write('bad.yaml', 'boot: [{ rnu: 1 }]')
    expect((await pod.berth(['boot', 'bad.yaml']).ended).code).toBe(2)
    expect((await pod.berth(askAndWait).ended).code).toBe(0)
    expect(pod.log).toEqual(['boot', 'main', 'term', 'save'])
    const [last, before] = [pod.berth(['report']), pod.berth(['report', '--boot', '1'])]
    await Promise.all([last.ended, before.ended])
    expect(last.stdout).not.toContain('shutdown')
    expect(before.stdout).toMatch(/^shutdown {2}complete/m)
  },
)

test('tries again what could not be saved', async () => {
  const pod = new Pod(recipe.replace('sleep 0.2', '[ -e store ] || exit 1'))
  expect((await pod.boot(['--', 'true']).ended).code).toBe(1)
  expect(pod.log).toEqual(['boot'])
  const failed = pod.berth(askAndWait)
  expect((await failed.ended).code).toBe(1)
  expect(failed.stdout).toContain('not everything was put away')
  pod.write('store', '')
  expect((await pod.berth(askAndWait).ended).code).toBe(0)
  expect(pod.log).toEqual(['boot', 'save'])
  expect((await pod.berth(askAndWait).ended).code).toBe(0)
  expect(pod.log).toEqual(['boot', 'save'])
})

test('tells one truth of an undo that failed: in its lines, its exit code, the report and the status', async () => {
  const pod = new Pod(`
name: pod
boot: [{ id: mount, run: 'true', undo: '[ -e free ]' }, { id: other, run: 'true', undo: 'true' }]
shutdown: [{ id: save, run: 'true' }]
`)
  const run = pod.boot(['--', 'true'])
  expect((await run.ended).code).toBe(1)
  expect(run.stderr).not.toContain('complete')
  expect(run.stderr).toMatch(/pod +✖ shutdown failed: 1 done, .*; undo: 1 done, 1 failed\n/)
  expect(run.stderr).toMatch(/shutdown failed in .*, 1 of 2 not taken back; exit code 1\n$/)
  const report = pod.berth(['report'])
  await report.ended
  expect(report.stdout).toMatch(/^shutdown {2}failed/m)
  expect(report.stdout).toMatch(/^undo {2}failed/m)
  expect(report.stdout).not.toContain('complete')
  pod.write('free', '')
  const again = pod.berth(askAndWait)
  expect((await again.ended).code).toBe(0)
  expect(again.stdout).toMatch(/pod: shutdown complete in/)
})

test('leaves a boot behind with --detach, which `berth shutdown` ends', async () => {
  const pod = new Pod(recipe)
  const script = `echo $$ >> "$LOG"; ${polite}`
  const started = pod.berth(['boot', pod.recipe, '--detach', '--', 'sh', '-c', script, '--detach'])
  expect((await started.ended).code, started.stderr).toBe(0)
  const pid = Number(
    /^process (\d+) runs; its output is in .*boot\.log\n$/.exec(started.stdout)?.[1],
  )
  expect(isRunning(pid)).toBe(true)
  await eventually(() => pod.log.includes('main'))
  const second = pod.berth(['boot', pod.recipe, '--detach'])
  expect((await second.ended).code).toBe(2)
  expect(second.stderr).toContain(`process ${pid} already boots`)
  const asked = pod.berth(askAndWait)
  expect((await asked.ended).code).toBe(0)
  await eventually(() => !isRunning(pid))
  expect(pod.log.filter((line) => !/^\d+$/.test(line))).toEqual(['boot', 'main', 'term', 'save'])
})

test('keeps the log of a detached boot small, however much the app prints, and `berth logs` reads on', async () => {
  const pod = new Pod(recipe)
  const chatty = `head -c 6000000 /dev/zero | tr '\\0' x; ${polite}`
  const started = pod.berth(['boot', pod.recipe, '--detach', '--', 'sh', '-c', chatty])
  expect((await started.ended).code, started.stderr).toBe(0)
  const size = (name: string): number => {
    return statSync(join(pod.directory, 'state', name), { throwIfNoEntry: false })?.size ?? 0
  }
  await eventually(() => pod.log.includes('main'))
  await eventually(() => size('boot.log') < 1_000_000 && size('boot.log.1') > 4_000_000)
  expect(size('boot.log.1')).toBeLessThan(5_000_000)
  const logs = pod.berth(['logs'])
  expect((await logs.ended).code).toBe(0)
  expect(logs.stdout).toContain('running sh')
  const asked = pod.berth(askAndWait)
  expect((await asked.ended).code).toBe(0)
  await eventually(() =>
    readFileSync(join(pod.directory, 'state/boot.log'), 'utf8').includes('exit code 0'),
  )
})

test('shows the end of a detached boot that failed, and gives its exit code', async () => {
  const pod = new Pod(recipe.replace('echo boot >> "$LOG"', 'echo broken; exit 1'))
  const started = pod.berth(['boot', pod.recipe, '--detach', '--', 'true'])
  expect((await started.ended).code).toBe(1)
  expect(started.stderr).toContain('broken')
  expect(started.stderr).toContain('exit code 1')
})
