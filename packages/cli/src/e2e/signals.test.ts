import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isRunning } from '../supervisor/process-table.ts'
import { eventually, Pod } from './pod.ts'

// Long graces: on a busy machine the saves need some of them too.
const recipe = `
grace: 12s
boot:
  - { id: first, run: 'echo boot >> "$LOG"' }
shutdown:
  - { id: save, run: 'echo save >> "$LOG"' }
  - { id: extra, run: 'echo extra >> "$LOG"; sleep 3; echo slept >> "$LOG"', optional: true }
`

const polite = `trap 'echo term >> "$LOG"; exit 5' TERM; echo main >> "$LOG"; while :; do sleep 0.05; done`
const deaf = `trap '' TERM; echo main >> "$LOG"; while :; do sleep 0.05; done`
const saveOnly = recipe.replace(/ {2}- \{ id: extra.*\n/, '')

test('stops main on SIGTERM, then saves, and gives main’s exit code', async () => {
  const pod = new Pod(saveOnly)
  const run = pod.boot(['--', 'sh', '-c', polite])
  await eventually(() => pod.log.includes('main'))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(5)
  expect(pod.log).toEqual(['boot', 'main', 'term', 'save'])
})

test('kills a main that ignores SIGTERM after half of the grace, and saves within the grace', async () => {
  const pod = new Pod(saveOnly.replace('grace: 12s', 'grace: 8s'))
  const run = pod.boot(['--', 'sh', '-c', deaf])
  await eventually(() => pod.log.includes('main'))
  const signalledAt = Date.now()
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(137)
  expect(Date.now() - signalledAt).toBeGreaterThan(3900)
  expect(pod.log).toEqual(['boot', 'main', 'save'])
})

test('kills main’s whole group, not only the shell that started the app', async () => {
  const pod = new Pod(saveOnly)
  const run = pod.boot(['--', 'sh', '-c', `(${deaf}) & echo $! >> "$LOG"; wait`])
  await eventually(() => pod.log.includes('main'))
  const child = Number(pod.log.find((line) => /^\d+$/.test(line)))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(143)
  expect(isRunning(child)).toBe(false)
  expect(pod.log.at(-1)).toBe('save')
})

test('leaves nothing of main that could write while the saves run, also what left its group', async () => {
  const pod = new Pod(saveOnly.replace('echo save', 'echo begin >> "$LOG"; sleep 0.3; echo save'))
  const writer = `trap '' TERM; while :; do echo tick >> "$LOG"; sleep 0.05; done`
  const run = pod.boot(['--', 'sh', '-c', `setsid sh -c "$WRITER" & exec sleep 60`], {
    WRITER: writer,
  })
  await eventually(() => pod.log.includes('tick'))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(143)
  const ended = pod.log.lastIndexOf('tick')
  expect(pod.log.slice(ended + 1)).toEqual(['begin', 'save'])
  const before = pod.log.length
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(pod.log).toHaveLength(before)
})

test('skips what is optional, and kills main, at the second SIGTERM; critical saves still run', async () => {
  const pod = new Pod(recipe.replace('grace: 12s', 'grace: 90s'))
  const run = pod.boot(['--', 'sh', '-c', deaf])
  await eventually(() => pod.log.includes('main'))
  const signalledAt = Date.now()
  run.kill('SIGTERM')
  await eventually(() => run.stderr.includes('stopping main'))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(137)
  expect(Date.now() - signalledAt).toBeLessThan(20_000)
  expect(pod.log).toEqual(['boot', 'main', 'save'])
})

test('skips an optional step that runs when the second SIGTERM comes', async () => {
  const pod = new Pod(recipe.replace('grace: 12s', 'grace: 20s').replace('sleep 3', 'sleep 15'))
  const run = pod.boot(['--', 'sh', '-c', polite])
  await eventually(() => pod.log.includes('main'))
  run.kill('SIGTERM')
  await eventually(() => pod.log.includes('extra'))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(5)
  expect(pod.log).toEqual(['boot', 'main', 'term', 'save', 'extra'])
})

test('ends at once at the third SIGTERM, with nothing left running, and `berth shutdown` can do the rest', async () => {
  const pod = new Pod(`
grace: 30s
boot: [{ id: first, run: 'true', undo: 'echo undone >> "$LOG"' }]
shutdown: [{ id: save, run: 'echo save $$ >> "$LOG"; [ -e second ] || setsid sleep 78' }]
`)
  const run = pod.boot(['--', 'sh', '-c', deaf])
  await eventually(() => pod.log.includes('main'))
  run.kill('SIGTERM')
  await eventually(() => run.stderr.includes('stopping main'))
  run.kill('SIGTERM')
  const save = await eventually(() => /^save (\d+)$/.exec(pod.log.at(-1) ?? '')?.[1])
  await eventually(() => /save +… started/.test(run.stderr))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(143)
  expect(run.stderr).toContain('SIGTERM: a third time: ending at once')
  expect(run.stderr).toContain('was cut: `berth shutdown` does what is left')
  expect(run.stderr).not.toContain('memory')
  expect(isRunning(Number(save))).toBe(false)
  expect(pod.log).not.toContain('undone')
  pod.write('second', '')
  expect((await pod.berth(['shutdown']).ended).code).toBe(0)
  expect(pod.log.at(-1)).toBe('undone')
})

test('cuts a shutdown step at the deadline', async () => {
  const pod = new Pod('grace: 2s\nshutdown: [{ id: slow, run: echo slow >> "$LOG"; sleep 60 }]')
  const run = pod.boot(['--', 'sleep', '30'])
  await eventually(() => run.stderr.includes('running sleep'))
  const signalledAt = Date.now()
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(143)
  expect(Date.now() - signalledAt).toBeLessThan(20_000)
  expect(pod.log).toEqual(['slow'])
})

test('gives the shutdown more than a grace when main ended by itself, until SIGTERM comes', async () => {
  const pod = new Pod('grace: 1s\nshutdown: [{ id: slow, run: sleep 2; echo slow >> "$LOG" }]')
  expect((await pod.boot(['--', 'true']).ended).code).toBe(0)
  expect(pod.log).toEqual(['slow'])
  const endless = new Pod(
    'grace: 1s\nshutdown: [{ id: slow, run: echo begun >> "$LOG"; sleep 60 }]',
  )
  const run = endless.boot(['--', 'true'])
  await eventually(() => endless.log.includes('begun'))
  const signalledAt = Date.now()
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(1)
  expect(Date.now() - signalledAt).toBeLessThan(20_000)
})

test('cancels the boot on SIGTERM, starts no main, and still shuts down', async () => {
  const pod = new Pod(`
grace: 4s
boot:
  - { id: slow, run: 'echo slow >> "$LOG"; sleep 60; echo never >> "$LOG"' }
  - { id: next, run: 'echo next >> "$LOG"' }
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`)
  const run = pod.boot(['--', 'sh', '-c', 'echo main >> "$LOG"'])
  await eventually(() => pod.log.includes('slow'))
  run.kill('SIGTERM')
  const end = await run.ended
  expect(end.code).toBe(143)
  expect(pod.log).toEqual(['slow', 'save'])
})

test('kills a step of the boot that does not stop, and saves', async () => {
  const pod = new Pod(`
grace: 12s
boot: [{ id: deaf, run: "trap '' TERM; setsid sh -c 'trap \\"\\" TERM; echo $$ >> \\"$LOG\\"; sleep 60'; sleep 60" }]
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`)
  const run = pod.boot()
  await eventually(() => pod.log.length > 0)
  const signalledAt = Date.now()
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(143)
  expect(Date.now() - signalledAt).toBeLessThan(20_000)
  expect(pod.log.at(-1)).toBe('save')
  const orphan = Number(pod.log[0])
  expect(isRunning(orphan), 'the step’s own session is gone too').toBe(false)
})

test('waits for a signal where there is no command, which is then a regular end', async () => {
  const pod = new Pod(saveOnly)
  const run = pod.boot()
  await eventually(() => run.stderr.includes('waiting for a signal: no command was given'))
  run.kill('SIGINT')
  expect((await run.ended).code).toBe(0)
  expect(pod.log).toEqual(['boot', 'save'])
})

test.each(['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const)(
  'passes %s on to main and lives on',
  async (name) => {
    const pod = new Pod(saveOnly)
    const trap = `trap 'echo got >> "$LOG"; exit 4' ${name.slice(3)}; echo main >> "$LOG"; while :; do sleep 0.05; done`
    const run = pod.boot(['--', 'sh', '-c', trap])
    await eventually(() => pod.log.includes('main'))
    run.kill(name)
    expect((await run.ended).code).toBe(4)
    expect(pod.log).toEqual(['boot', 'main', 'got', 'save'])
  },
)

test('sends the recipe’s stop signal', async () => {
  const pod = new Pod(`
main:
  command: [sh, -c, 'trap "echo int >> $LOG; exit 0" INT; echo main >> "$LOG"; while :; do sleep 0.05; done']
  stop-signal: SIGINT
`)
  const run = pod.boot()
  await eventually(() => pod.log.includes('main'))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
  expect(pod.log).toEqual(['main', 'int'])
})

test('cancels a running round when SIGTERM comes, and the save of the shutdown runs after it', async () => {
  const pod = new Pod(`
grace: 5s
shutdown:
  - id: save
    every: 100ms
    run: |
      echo begin >> "$LOG"
      [ -e stopping ] || sleep 60
      echo end >> "$LOG"
`)
  const run = pod.boot([
    '--',
    'sh',
    '-c',
    'trap "touch stopping; exit 0" TERM; while :; do sleep 0.05; done',
  ])
  await eventually(() => pod.log.includes('begin'))
  run.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
  expect(pod.log).toEqual(['begin', 'begin', 'end'])
})

test('saves whenever SIGTERM comes, from the first moment on', { timeout: 120_000 }, async () => {
  const moments = Array.from({ length: 16 }, (_, index) => index * 60 + Math.random() * 60)
  for (let index = 0; index < moments.length; index += 4) {
    await Promise.all(moments.slice(index, index + 4).map(signalAt))
  }
})

async function signalAt(delayMs: number): Promise<void> {
  const pod = new Pod(`
grace: 8s
boot: [{ id: first, run: 'sleep 0.2; echo boot >> "$LOG"' }]
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`)
  const run = pod.boot(['--', 'sleep', '30'])
  // Before its handlers are there a process is simply ended, and nothing has begun.
  await eventually(
    () => run.child.exitCode !== null || handlesSignals(run.pid),
    () => run.stderr,
  )
  await new Promise((resolve) => setTimeout(resolve, delayMs))
  run.kill('SIGTERM')
  const end = await run.ended
  expect({ delayMs, ...end, log: pod.log.at(-1) }).toMatchObject({
    delayMs,
    code: 143,
    log: 'save',
  })
}

/** SIGHUP is the one that Node itself does not catch. */
function handlesSignals(pid: number): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readProcess(pid, 'status'))?.[1] ?? '0'
  return readProcess(pid, 'cmdline').includes('start.mjs') && (BigInt(`0x${caught}`) & 1n) !== 0n
}

function readProcess(pid: number, file: 'status' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
