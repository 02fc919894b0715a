import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually, Pod } from './pod.ts'

const failing = `
grace: 12s
on-boot-failure: { action: hold, after: 2 }
boot: [{ id: bad, run: '[ -e store ]' }]
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`

test('lets a failed boot be started again so often, and then holds it', async () => {
  const pod = new Pod(failing)
  const env = { NETWORK_VOLUME: pod.directory }
  expect((await pod.boot(['--', 'true'], env).ended).code).toBe(1)
  const second = pod.boot(['--', 'true'], env)
  await eventually(
    () =>
      second.stderr.includes(
        'waiting for a signal: the boot failed 2 times within 1 h 0 min, and would fail again; stop this pod',
      ),
    () => second.stderr,
  )
  second.kill('SIGTERM')
  expect((await second.ended).code).toBe(1)
  expect(pod.log).toEqual(['save', 'save'])
})

test('counts anew after a boot that went well, and another pod’s failures never', async () => {
  const pod = new Pod(failing)
  const env = { BERTH_HISTORY_DIR: join(pod.directory, 'history'), RUNPOD_POD_ID: 'one' }
  expect((await pod.boot(['--', 'true'], env).ended).code).toBe(1)
  expect((await pod.boot(['--', 'true'], { ...env, RUNPOD_POD_ID: 'two' }).ended).code).toBe(1)
  pod.write('store', '')
  expect((await pod.boot(['--', 'rm', 'store'], env).ended).code).toBe(0)
  expect((await pod.boot(['--', 'true'], env).ended).code).toBe(1)
})

test('says that a count with the state may not outlive the container', async () => {
  const run = new Pod(failing).boot(['--', 'true'], { NETWORK_VOLUME: '' })
  await run.ended
  expect(run.stderr).toContain('state/lives.jsonl, which a restart of the container may wipe')
})

test('warns at the boot of shutdowns that took longer than SIGTERM would leave them, and of timeouts that may', async () => {
  const pod = new Pod(`
name: slow
grace: 1s
shutdown: [{ id: save, run: sleep 1, timeout: 1m }]
`)
  const first = pod.boot(['--', 'true'], { NETWORK_VOLUME: '' })
  expect((await first.ended).code).toBe(0)
  expect(first.stderr).toContain(
    'the timeouts of the shutdown’s steps add up to 1 min 0 s, and the grace of 1.0 s leaves',
  )
  expect(first.stderr).not.toContain('the last shutdown took')
  const second = pod.boot(['--', 'true'], { NETWORK_VOLUME: '' })
  await second.ended
  const plan = pod.berth(['plan', pod.recipe, 'shutdown'], { NETWORK_VOLUME: '' })
  await plan.ended
  expect(plan.stdout).toContain('⚠ the last 2 shutdowns took up to')
  expect(plan.stdout).toContain('⚠ the timeouts of the shutdown’s steps add up to 1 min 0 s')
  expect(second.stderr).toMatch(
    /the last shutdown took up to [\d.]+ s, and the grace of 1\.0 s leaves 0\.8 s: a SIGTERM/,
  )
})
