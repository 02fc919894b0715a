import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually, Pod, type RunningBerth } from './pod.ts'

const secret = 'correct-horse-battery'
const recipe = `
name: shown
secrets: [KEY_OF_TEST]
boot:
  - { id: quick, run: 'echo "the key is $KEY_OF_TEST"', secrets: [KEY_OF_TEST] }
  - { id: gate, run: 'until [ -e "$GATE" ]; do sleep 0.05; done; echo through' }
  - { id: extra, run: 'exit 9', optional: true }
shutdown:
  - { id: save, run: 'echo saved' }
`

interface Answer {
  code: number | null
  stdout: string
  stderr: string
}

async function ask(pod: Pod, args: readonly string[]): Promise<Answer> {
  const run: RunningBerth = pod.berth(args, { KEY_OF_TEST: '' })
  const { code } = await run.ended
  return { code, stdout: run.stdout, stderr: run.stderr }
}

test('tells how a boot is while it runs and after it, what it did, and what it printed, without its secrets', async () => {
  const pod = new Pod(recipe)
  const gate = join(pod.directory, 'gate')
  expect(await ask(pod, ['status'])).toMatchObject({ code: 1, stdout: '✖ no boot has run here\n' })
  const waiting = pod.berth(['status', '--wait', '--json'])
  const run = pod.boot(['--', 'sleep', '60'], { KEY_OF_TEST: secret, GATE: gate })
  await eventually(() => run.stderr.includes('gate') && run.stderr.includes('started'))
  const follow = pod.berth(['logs', '--follow'])
  await eventually(
    () => follow.stdout.includes('gate'),
    () => follow.stderr,
  )

  const booting = await ask(pod, ['status', '--json'])
  expect(booting.code).toBe(4)
  expect(JSON.parse(booting.stdout)).toMatchObject({
    state: 'booting',
    ready: false,
    running: [{ step: 'gate' }],
  })
  expect((await ask(pod, ['status', '--probe', 'live'])).code).toBe(0)
  expect((await ask(pod, ['status', '--probe', 'startup'])).code).toBe(1)

  writeFileSync(gate, '')
  expect((await waiting.ended).code).toBe(3)
  expect(JSON.parse(waiting.stdout)).toMatchObject({ state: 'degraded', ready: true })
  expect((await ask(pod, ['status', '--probe', 'ready'])).code).toBe(0)

  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(143)
  expect((await follow.ended).code).toBe(0)
  expect(follow.stdout).toContain('shutdown complete')
  const ended = await ask(pod, ['status'])
  expect(ended).toMatchObject({ code: 1 })
  expect(ended.stdout).toContain('shown  ended with exit code 143')

  for (const probe of ['live', 'startup', 'ready'])
    expect(await ask(pod, ['status', '--probe', probe])).toEqual({
      code: 1,
      stdout: '',
      stderr: '',
    })

  const said = await ask(pod, ['logs', 'quick'])
  expect(said.stdout).toContain('the key is [secret]')
  expect(said.stdout).not.toContain('through')
  expect((await ask(pod, ['logs', 'quik'])).stderr).toContain('did you mean `quick`?')
  const ofMain = await ask(pod, ['logs', 'main'])
  expect(ofMain.code).toBe(2)
  expect(ofMain.stderr).toContain('what the app prints goes past Berth and is not recorded')
  expect(ofMain.stderr).toContain('the log of the container')
  const report = await ask(pod, ['report'])
  expect(report.code).toBe(0)
  expect(report.stdout).toMatch(
    /boot {2}degraded.*\n {2}quick .*✔[^]*extra .*⚠ failed \(optional\)[^]*save .*✔/,
  )
  expect(report.stdout).toContain('critical path: ')
  const data = JSON.parse((await ask(pod, ['report', '--json'])).stdout)
  expect(data).toMatchObject({ recipe: 'shown', state: 'ended', exitCode: 143 })

  const record = readFileSync(join(pod.directory, 'state/events.jsonl'), 'utf8')
  expect(record + said.stdout + report.stdout + follow.stdout).not.toContain(secret)
})

test('answers probes also where there is no record, because the disk of the state is full', async () => {
  const pod = new Pod('boot: [{ id: a, run: "true" }]')
  const run = pod.boot(['--', 'sleep', '60'])
  await eventually(() => run.stderr.includes('running sleep'))
  const record = join(pod.directory, 'state/events.jsonl')
  await eventually(() => existsSync(record))
  rmSync(record)
  expect((await ask(pod, ['status', '--probe', 'live'])).code).toBe(0)
  expect((await ask(pod, ['status', '--probe', 'startup'])).code).toBe(0)
  expect(await ask(pod, ['status'])).toMatchObject({ code: 0 })
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(143)
  expect((await ask(pod, ['status', '--probe', 'live'])).code).toBe(1)
})

test('has all but the last moment of a supervisor that was killed, and compares the next boot with it', async () => {
  const pod = new Pod(`
boot: [{ id: gate, run: 'until [ -e "$GATE" ]; do sleep 0.05; done; echo through' }]
`)
  const gate = join(pod.directory, 'gate')
  // It holds none of the supervisor's outputs open after its end.
  const run = pod.boot(['--', 'sh', '-c', 'exec sleep 60 > /dev/null 2>&1'], { GATE: gate })
  await eventually(() => run.stderr.includes('started'))
  writeFileSync(gate, '')
  const record = join(pod.directory, 'state/events.jsonl')
  await eventually(
    () => existsSync(record) && readFileSync(record, 'utf8').includes('main:start'),
    () => run.stderr,
  )
  run.kill('SIGKILL')
  await run.ended
  const lost = await ask(pod, ['status'])
  expect(lost).toMatchObject({ code: 1 })
  expect(lost.stdout).toContain('lost: its process was killed')
  expect((await ask(pod, ['logs', 'gate'])).stdout).toContain('through')

  expect((await pod.boot(['--', 'true'], { GATE: gate }).ended).code).toBe(0)
  const report = await ask(pod, ['report', '--json'])
  const [boot] = (JSON.parse(report.stdout) as { parts: { steps: object[] }[] }).parts
  expect(boot?.steps).toEqual([
    expect.objectContaining({ id: 'gate', lastBootMs: expect.any(Number) }),
  ])
  const killed = pod.berth(['report', '--boot', '1', '--json'])
  await killed.ended
  expect(JSON.parse(killed.stdout)).toMatchObject({ state: 'lost' })
  expect(await ask(pod, ['report', '--boot', '4'])).toMatchObject({ code: 2 })
  expect(await ask(pod, ['report', '--boot', 'x'])).toMatchObject({ code: 2 })
})

test('whoever waits for a boot that is over is told so at once, and has the next', async () => {
  const pod = new Pod("name: over\nboot: [{ id: one, run: 'true' }]")
  const first = pod.berth(['status', '--wait', '--timeout', '50ms'])
  expect((await first.ended).code).toBe(1)
  expect(first.stderr).toBe('no boot has run here: waiting for one to begin, for 50 ms\n')
  expect((await pod.boot(['--', 'sh', '-c', 'exit 7']).ended).code).toBe(7)
  const told = 'the boot of over is over, it ended with exit code 7: waiting for the next to begin'
  const late = await ask(pod, ['status', '--wait', '--timeout', '50ms'])
  expect(late).toMatchObject({ code: 1, stderr: `${told}, for 50 ms\n` })
  expect(late.stdout).toContain('over  ended with exit code 7')
  const quiet = await ask(pod, ['status', '--wait', '--timeout', '50ms', '--probe', 'startup'])
  expect(quiet).toEqual({ code: 1, stdout: '', stderr: '' })
  const waiting = pod.berth(['status', '--wait', '--timeout', '60s'])
  await eventually(() => waiting.stderr.includes(`${told}, for`))
  const next = pod.boot(['--', 'sleep', '60'])
  expect((await waiting.ended).code).toBe(0)
  next.kill('SIGTERM')
  await next.ended
})

test('a report compares with the last boot of the same recipe, past those of others', async () => {
  const pod = new Pod("name: mine\nboot: [{ id: step, run: 'sleep 0.05' }]")
  pod.write('other.yaml', "name: other\nboot: [{ id: else, run: 'sleep 0.05' }]")
  const boots = [pod.recipe, 'other.yaml', pod.recipe]
  for (const file of boots)
    expect((await pod.berth(['boot', file, '--', 'true']).ended).code).toBe(0)
  const compared = async (boot: string) => {
    const { stdout } = await ask(pod, ['report', '--json', '--boot', boot])
    const { recipe, parts } = JSON.parse(stdout) as { recipe: string; parts: { steps: object[] }[] }
    return { recipe, isCompared: parts[0]?.steps.map((step) => 'lastBootMs' in step) }
  }
  expect(await Promise.all(['0', '1', '2'].map(compared))).toEqual([
    { recipe: 'mine', isCompared: [true] },
    { recipe: 'other', isCompared: [false] },
    { recipe: 'mine', isCompared: [false] },
  ])
})
