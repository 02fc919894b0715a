import { writeFileSync } from 'node:fs'
import { requirement } from '@berth/core/testing'
import { expect, test } from 'vitest'
import { eventually, Pod } from './pod.ts'

const orderly = `
name: orderly
env: { GREETING: hello }
boot:
  - id: first
    run: |
      echo boot >> "$LOG"
      echo "port=8188" >> "$BERTH_OUTPUT"
    outputs: [port]
shutdown:
  - { id: save, run: 'echo save >> "$LOG"' }
  - { id: copy, run: 'echo copy >> "$LOG"', optional: true }
main:
  command: [sh, -c, 'echo "main $GREETING $PORT \${OWN:-}" >> "$LOG"']
  env: { PORT: "\${{ steps.first.outputs.port }}" }
`

test('runs boot, main and shutdown in this order, with the outputs of one in the next', async () => {
  const pod = new Pod(orderly)
  const run = pod.boot([], { OWN: 'kept' })
  expect(await run.ended).toMatchObject({ code: 0, signal: null })
  expect(pod.log).toEqual(['boot', 'main hello 8188 kept', 'save', 'copy'])
  expect(run.stdout).toBe('')
  expect(run.stderr.trimEnd().split('\n').at(-1)).toMatch(
    /orderly: boot ready in .*, main ended with 0, shutdown complete in .*; exit code 0$/,
  )
})

test('runs the command after `--` in the place of the recipe’s, and gives its exit code', async () => {
  const pod = new Pod(orderly)
  const run = pod.boot(['--', 'sh', '-c', 'echo "other $PORT" >> "$LOG"; echo data; exit 7'])
  expect((await run.ended).code).toBe(7)
  expect(pod.log).toEqual(['boot', 'other 8188', 'save', 'copy'])
  expect(run.stdout).toBe('data\n')
})

test('ends with 128+n when a signal ended main', async () => {
  const pod = new Pod('boot: []')
  expect((await pod.boot(['--', 'sh', '-c', 'kill -SEGV $$']).ended).code).toBe(139)
})

test('ends with 127 and still shuts down when there is no such command', async () => {
  const pod = new Pod(orderly)
  const run = pod.boot(['--', 'no-such-command'])
  expect((await run.ended).code).toBe(127)
  expect(pod.log).toEqual(['boot', 'save', 'copy'])
  expect(run.stderr).toContain(
    'could not start main `no-such-command`: there is no such command  cli/main-not-started',
  )
})

const failing = (policy: string): string => `
on-boot-failure: ${policy}
boot:
  - { id: bad, run: 'echo bad >> "$LOG"; exit 3' }
  - { id: never, run: 'echo never >> "$LOG"' }
shutdown:
  - { id: save, run: 'echo save >> "$LOG"' }
`
const mainSpeaks = ['--', 'sh', '-c', 'echo main >> "$LOG"']

test('ends with 1, without main but with the shutdown, when a critical step of the boot fails', async () => {
  const pod = new Pod(failing('exit'))
  expect((await pod.boot(mainSpeaks).ended).code).toBe(1)
  expect(pod.log).toEqual(['bad', 'save'])
})

test('goes on to main after a failed boot when the recipe says `continue`', async () => {
  const pod = new Pod(failing('continue'))
  expect((await pod.boot(mainSpeaks).ended).code).toBe(0)
  expect(pod.log).toEqual(['bad', 'main', 'save'])
})

test('holds a failed boot until a signal when the recipe says `hold`', async () => {
  const pod = new Pod(failing('hold'))
  const run = pod.boot(mainSpeaks)
  await eventually(() => run.stderr.includes('waiting for a signal: the boot failed'))
  expect(pod.log).toEqual(['bad'])
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(1)
  expect(pod.log).toEqual(['bad', 'save'])
})

test('ends with 1 when main ended well but a critical save failed, and with main’s own code otherwise', async () => {
  const recipe = 'shutdown: [{ id: save, run: exit 9 }, { id: more, run: echo more >> "$LOG" }]'
  const pod = new Pod(recipe)
  expect((await pod.boot(['--', 'true']).ended).code).toBe(1)
  expect(pod.log).toEqual(['more'])
  expect((await new Pod(recipe).boot(['--', 'sh', '-c', 'exit 5']).ended).code).toBe(5)
})

test('ends with 3 under --strict when only an optional step failed', async () => {
  const recipe = 'boot: [{ id: nice, run: exit 1, optional: true }]'
  expect((await new Pod(recipe).boot(['--strict', '--', 'true']).ended).code).toBe(3)
  const run = new Pod(recipe).boot(['--', 'true'])
  expect((await run.ended).code).toBe(0)
  expect(run.stderr).toContain('boot degraded')
})

test('runs nothing and ends with 2 when the recipe is wrong', async () => {
  const pod = new Pod(`
boot:
  - { id: canary, run: 'echo canary >> "$LOG"' }
  - { id: typo, rnu: 'true' }
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`)
  const run = pod.boot(['--', 'sh', '-c', 'echo main >> "$LOG"'])
  expect((await run.ended).code).toBe(2)
  expect(pod.log).toEqual([])
  expect(run.stderr).toContain('rnu')
  expect(run.stderr).toContain('recipe.yaml:4:')
})

test.each([
  [['--grace', 'soon'], '`--grace soon`'],
  [['--set', 'novalue'], '`--set novalue`'],
  [['--set', 'unknown=1'], '`unknown`'],
  [['--reporter', 'prety'], 'did you mean `pretty`?'],
])('runs nothing and ends with 2 for %j', async (args, text) => {
  const pod = new Pod('boot: [{ id: canary, run: echo canary >> "$LOG" }]')
  const run = pod.boot([...args, '--', 'true'])
  expect((await run.ended).code).toBe(2)
  expect(run.stderr).toContain(text)
  expect(pod.log).toEqual([])
})

test('refuses a second boot with the same state directory, and leaves the first alone', async () => {
  const pod = new Pod('boot: []')
  const first = pod.boot(['--', 'sleep', '30'])
  await eventually(() => first.stderr.includes('running sleep'))
  const second = pod.boot(['--', 'true'])
  expect((await second.ended).code).toBe(2)
  expect(second.stderr).toContain(`process ${first.pid} already boots`)
  first.kill('SIGTERM')
  expect((await first.ended).code).toBe(143)
  expect((await pod.boot(['--', 'true']).ended).code).toBe(0)
})

test('saves with the recipe that booted, though the file was broken while main ran', async () => {
  const pod = new Pod('boot: []\nshutdown: [{ id: save, run: echo save >> "$LOG" }]')
  const run = pod.boot(['--', 'sleep', '30'])
  await eventually(() => run.stderr.includes('running sleep'))
  writeFileSync(pod.recipe, 'boot: {broken')
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(143)
  expect(pod.log).toEqual(['save'])
})

test('repeats a step while main runs, one round after another, and once more at the end', async () => {
  const pod = new Pod(`
shutdown:
  - id: save
    every: 100ms
    run: |
      echo begin >> "$LOG"
      sleep 0.15
      echo end >> "$LOG"
  - { id: last, run: 'echo last >> "$LOG"' }
`)
  const run = pod.boot([
    '--',
    'sh',
    '-c',
    'while [ "$(grep -c end "$LOG")" -lt 2 ]; do sleep 0.05; done; echo main >> "$LOG"',
  ])
  expect((await run.ended).code).toBe(0)
  const rounds = pod.log.slice(0, pod.log.indexOf('main'))
  expect(rounds.slice(0, 4)).toEqual(['begin', 'end', 'begin', 'end'])
  expect(pod.log.slice(-3)).toEqual(['begin', 'end', 'last'])
  expect(run.stderr).toContain('periodic shutdown')
})

test('makes a failing round a warning, and no more than that', async () => {
  const pod = new Pod(`
shutdown:
  - id: save
    every: 100ms
    run: 'echo round >> "$LOG"; [ -e done ]'
`)
  const run = pod.boot([
    '--',
    'sh',
    '-c',
    'while [ "$(grep -c round "$LOG")" -lt 2 ]; do sleep 0.05; done; touch done; sleep 0.3',
  ])
  expect((await run.ended).code).toBe(0)
  expect(run.stderr).toMatch(/save +⚠ failed/)
})

const asRoot = requirement(
  'root',
  process.getuid?.() === 0 || 'only root may start main as another user',
)

asRoot('starts main as the user, and the group, that the recipe names', async () => {
  const pod = new Pod(
    `main: { command: [sh, -c, 'echo "$(id -u):$(id -g) $HOME"'], user: "nobody:65534" }`,
  )
  const run = pod.boot()
  expect((await run.ended).code).toBe(0)
  expect(run.stdout).toMatch(/^65534:65534 \//)
})

test('boots nothing for a user that there isn’t, and says so', async () => {
  const boot = 'boot: [{ uses: network-volume/detect }]\n'
  const run = new Pod(`${boot}main: { command: [id], user: no-such-user }`).boot()
  expect((await run.ended).code).toBe(2)
  expect(run.stderr).toContain('cli/unknown-user')
  expect(run.stderr).not.toContain('ready')
})

test('warns of a user that there isn’t before a boot that could make it, and starts no main if it does not', async () => {
  const pod = new Pod(`
boot: [{ id: script, run: 'echo boot >> "$LOG"' }]
main: { command: [id], user: no-such-user }
`)
  const run = pod.boot()
  expect((await run.ended).code).toBe(127)
  expect(pod.log).toEqual(['boot'])
  const warning = run.stderr.indexOf('no such user or group, unless the boot changes that')
  expect(warning).toBeGreaterThan(-1)
  expect(run.stderr.indexOf('boot ready')).toBeGreaterThan(warning)
  expect(run.stderr).toContain('cli/unknown-user')
})
