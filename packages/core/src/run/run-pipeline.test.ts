import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from './clock.ts'
import { findProgram } from '../command/find-shell.ts'
import { outputFile } from './outputs.ts'
import { openLab } from '../testing/lab.ts'
import { temporaryDirectory } from '../testing.ts'

const note = (id: string, more = '') => `
  - { id: ${id}, uses: lab/note, with: { text: ${id} }${more === '' ? '' : `, ${more}`} }`
const fails = (id: string, more = '') => `
  - { id: ${id}, run: exit 3${more === '' ? '' : `, ${more}`} }`
const waits = (id: string, more = '', ms = 60_000) => `
  - { id: ${id}, uses: lab/wait, with: { ms: ${ms} }${more === '' ? '' : `, ${more}`} }`

test('runs steps in order, and gives later ones the outputs of earlier ones', async () => {
  const lab = await openLab(`
boot:
  - id: first
    run: |
      echo "name=pod" >> "$BERTH_OUTPUT"
      printf 'list<<END\\na\\nb\\nEND\\n' >> "$BERTH_OUTPUT"
    outputs: [name, list, never]
  - { id: second, uses: lab/note, with: { text: "\${{ steps.first.outputs.name }} \${{ steps.first.outputs.never }}|" } }
  - { id: third, run: 'echo "$TEXT" >> log', env: { TEXT: "\${{ steps.second.outputs.text }} \${{ steps.first.result }}" } }
`)
  expect((await lab.run('boot')).result).toBe('ready')
  expect(await lab.notes()).toEqual(['pod |', 'pod | done'])
  expect(lab.events.map(({ type }) => type)).toEqual([
    'pipeline:start',
    'step:start',
    'step:end',
    'step:start',
    'step:log',
    'step:end',
    'step:start',
    'step:end',
    'pipeline:end',
  ])
  expect(lab.events.at(-1)).toMatchObject({
    result: 'ready',
    counts: { done: 3, unchanged: 0, skipped: 0, failed: 0, timeout: 0, cancelled: 0 },
  })
})

test('keeps the outputs for the shutdown of another process, and forgets them at the next boot', async () => {
  const lab = await openLab(`
boot:${note('find')}
shutdown:
  - { id: save, uses: lab/note, with: { text: "saved \${{ steps.find.outputs.text }}" } }
`)
  await lab.run('boot')
  await lab.run('shutdown')
  expect(await lab.notes()).toEqual(['find', 'saved find'])
  const kept = JSON.parse(await readFile(join(lab.stateDirectory, 'steps.json'), 'utf8')) as unknown
  expect(kept).toEqual({
    version: 1,
    steps: {
      boot: { find: { result: 'done', outputs: { text: 'find' } } },
      shutdown: { save: { result: 'done', outputs: { text: 'saved find' } } },
    },
  })
  await lab.run('boot', { signal: AbortSignal.abort() })
  await lab.run('shutdown')
  expect((await lab.notes()).at(-1)).toBe('saved ')
})

test('starts steps as soon as what they need has ended', async () => {
  const lab = await openLab(`
boot:${waits('slow', 'needs: []', 300)}${note('quick', 'needs: []')}${note('after-quick', 'needs: [quick]')}${note('last', 'needs: [slow, after-quick]')}
`)
  await lab.run('boot')
  expect(lab.ends()).toEqual(['quick done', 'after-quick done', 'slow done', 'last done'])
})

test('stops a boot at a critical step that fails: what runs is cancelled, what has not begun is not started', async () => {
  const lab = await openLab(`
boot:${waits('sibling', 'needs: []')}${fails('broken', 'needs: []')}${note('later', 'needs: [broken]')}${note('rescue', 'needs: [later], if: failure()')}
`)
  const { result, steps } = await lab.run('boot')
  expect(result).toBe('failed')
  expect(steps).toMatchObject({
    sibling: { result: 'cancelled', reason: '`broken` failed' },
    broken: { result: 'failed', error: { code: 'core/command-failed' } },
    later: { result: 'skipped', reason: 'not started: `broken` failed' },
    rescue: { result: 'done' },
  })
  expect(await lab.notes()).toEqual(['wait', 'rescue'])
})

test('goes on after an optional step that fails, degraded, with its outputs empty', async () => {
  const lab = await openLab(`
boot:
  - { id: broken, run: 'echo "name=x" >> "$BERTH_OUTPUT"; exit 3', outputs: [name], optional: true }
  - { id: after, uses: lab/note, with: { text: "[\${{ steps.broken.outputs.name }}] \${{ steps.broken.result }}" } }
`)
  expect((await lab.run('boot')).result).toBe('degraded')
  expect(await lab.notes()).toEqual(['[] failed'])
})

test('runs every step of a shutdown, whatever became of the others', async () => {
  const lab = await openLab(`
vars: { on: { default: true } }
shutdown:${fails('broken')}${note('after')}${note('when', 'if: vars.on')}${note('well', 'if: success()')}${note('ill', 'if: failure()')}
`)
  expect((await lab.run('shutdown')).result).toBe('failed')
  expect(lab.ends()).toEqual([
    'broken failed',
    'after done',
    'when done',
    'well skipped',
    'ill done',
  ])
})

test('skips a step whose condition does not hold, and those after it run', async () => {
  const lab = await openLab(`boot:${note('never', `if: "env.NOPE == 'yes'"`)}${note('after')}`)
  const { result, steps } = await lab.run('boot')
  expect(result).toBe('ready')
  expect(steps.never).toEqual({
    result: 'skipped',
    reason: "`if: env.NOPE == 'yes'` does not hold",
  })
  expect(await lab.notes()).toEqual(['after'])
})

test('retries with growing random delays, and says so', async () => {
  const lab = await openLab(`
boot:
  - { id: flaky, uses: lab/flaky, with: { failures: 3 }, retry: { attempts: 5, initial: 10s, max: 25s } }
`)
  const delays: number[] = []
  const clock = {
    ...systemClock,
    random: () => 0.5,
    sleep: (ms: number) => {
      delays.push(ms)
      return Promise.resolve()
    },
  }
  const { steps } = await lab.run('boot', { clock })
  expect(delays).toEqual([5000, 10_000, 12_500])
  expect(steps.flaky).toEqual({ result: 'unchanged', reason: 'it is there', facts: {} })
  const retries = lab.events.filter(({ type }) => type === 'step:retry')
  expect(retries[0]).toMatchObject({
    attempt: 1,
    attempts: 5,
    delayMs: 5000,
    error: {
      code: 'core/command-failed',
      message: 'could not run a command: it ended with exit code 7: attempt 1',
    },
  })
})

test('gives up after the last attempt, or when the next would begin after the deadline', async () => {
  const text = `
boot:
  - { id: flaky, uses: lab/flaky, with: { failures: 9 }, retry: { attempts: 2, initial: 10s } }
`
  const clock = { ...systemClock, random: () => 0.5, sleep: () => Promise.resolve() }
  const lab = await openLab(text)
  expect(await lab.run('boot', { clock })).toMatchObject({
    result: 'failed',
    steps: { flaky: { result: 'failed' } },
  })
  const hurried = await openLab(text)
  await hurried.run('boot', { clock, deadline: Date.now() + 3000 })
  expect(hurried.events.filter(({ type }) => type === 'step:retry')).toEqual([])
})

test('stops waiting for the next attempt when it is cancelled', async () => {
  const lab = await openLab(`
boot:
  - { id: flaky, uses: lab/flaky, with: { failures: 9 }, retry: { attempts: 2, initial: 60s, max: 60s } }
`)
  const controller = new AbortController()
  const running = lab.run('boot', {
    signal: controller.signal,
    clock: { ...systemClock, random: () => 0.99 },
    emit: (event) => {
      if (event.type === 'step:retry') controller.abort()
    },
  })
  expect(await running).toMatchObject({
    result: 'cancelled',
    steps: { flaky: { result: 'cancelled' } },
  })
})

test('times each attempt on its own', async () => {
  const lab = await openLab(`boot:
  - { id: slow, run: 'echo try >> log; sleep 60', timeout: 150ms, retry: { attempts: 2, initial: 1ms } }
`)
  const { result, steps } = await lab.run('boot')
  expect(result).toBe('failed')
  expect(steps.slow).toEqual({
    result: 'timeout',
    reason: 'it took longer than its timeout of 150ms',
  })
  expect(await lab.notes()).toEqual(['try', 'try'])
})

test('leaves a step behind that does not stop, says so, lets it announce nothing more, and does not retry it', async () => {
  const lab = await openLab(`
boot:
  - { id: deaf, uses: lab/wait, with: { ms: 2500, deaf: true }, timeout: 50ms, retry: { attempts: 3, initial: 1ms } }
`)
  const { steps } = await lab.run('boot')
  expect(steps.deaf).toEqual({
    result: 'timeout',
    reason:
      'it took longer than its timeout of 50ms; it did not stop within 1.5 s and was left behind',
    leftBehind: true,
  })
  await sleep(1500)
  expect(await lab.notes()).toEqual(['wait'])
  expect(lab.events.filter(({ type }) => type === 'step:log')).toEqual([])
  expect((await lab.undo()).undone).toEqual([])
})

test('cancels what runs and does not start the rest when it is cancelled', async () => {
  const lab = await openLab(`boot:${waits('slow')}${note('later')}`)
  const { result, steps } = await lab.run('boot', { signal: AbortSignal.timeout(100) })
  expect(result).toBe('cancelled')
  expect(steps).toEqual({
    slow: { result: 'cancelled', reason: 'the pipeline was cancelled' },
    later: { result: 'cancelled', reason: 'not started: the pipeline was cancelled' },
  })
})

test('aborts what runs at the deadline and starts nothing more, which is a failure', async () => {
  const lab = await openLab(`shutdown:${waits('copy', 'optional: true')}
  - { id: save, run: sleep 60, needs: [] }${note('later')}`)
  const startedAt = performance.now()
  const { result, steps } = await lab.run('shutdown', { deadline: Date.now() + 200 })
  expect(performance.now() - startedAt).toBeLessThan(20_000)
  expect(result).toBe('failed')
  expect(steps).toEqual({
    copy: { result: 'timeout', reason: 'the deadline was reached' },
    save: { result: 'timeout', reason: 'the deadline was reached' },
    later: { result: 'timeout', reason: 'not started: the deadline had been reached' },
  })
})

test('skips what is optional on request, and critical steps still run', async () => {
  const lab = await openLab(
    `shutdown:${waits('copy', 'optional: true')}${note('save')}${note('tidy', 'optional: true')}`,
  )
  const { result, steps } = await lab.run('shutdown', { skipOptional: AbortSignal.timeout(100) })
  expect(result).toBe('degraded')
  expect(steps).toMatchObject({
    copy: { result: 'cancelled', reason: 'what is optional was skipped' },
    save: { result: 'done' },
    tidy: { result: 'skipped', reason: 'not started: what is optional was skipped' },
  })
})

test('runs the chosen steps of a periodic round only', async () => {
  const lab = await openLab(`shutdown:${note('first')}${note('save', 'every: 2m')}`)
  await lab.run('shutdown', { only: ['save'], periodic: true })
  expect(await lab.notes()).toEqual(['save'])
  expect(lab.events[0]).toMatchObject({
    type: 'pipeline:start',
    periodic: true,
    steps: [{ id: 'save' }],
  })
  expect(lab.events.at(-1)).toMatchObject({ type: 'pipeline:end', periodic: true })
})

test('fails a step whose inputs turn out wrong, with the place in the recipe, and without running it', async () => {
  const lab = await openLab(`
boot:
  - { id: first, run: 'echo "ms=soon" >> "$BERTH_OUTPUT"', outputs: [ms] }
  - id: second
    uses: lab/wait
    with:
      ms: \${{ steps.first.outputs.ms }}
    retry: { attempts: 3 }
`)
  const { steps } = await lab.run('boot')
  expect(steps.second).toMatchObject({
    result: 'failed',
    error: { code: 'recipe/invalid-input', at: { line: 8, column: 11 } },
  })
  expect(await lab.notes()).toEqual([])
})

test('withholds declared secrets from steps that do not name them, and masks all of them everywhere', async () => {
  const lab = await openLab(
    `
secrets: [LAB_TOKEN, OTHER_TOKEN, SHORT]
boot:${note('reads')}
  - { id: none, run: 'echo "none \${LAB_TOKEN-unset} \${OTHER_TOKEN-unset}"' }
  - { id: named, run: 'echo "named $OTHER_TOKEN"; echo "$PLAIN_API_KEY" | base64; echo "$OTHER_TOKEN" >&2; exit 1', secrets: [OTHER_TOKEN] }
`,
    {
      LAB_TOKEN: 'lab-secret-1',
      OTHER_TOKEN: 'other-secret-2',
      PLAIN_API_KEY: 'api-secret-3',
      SHORT: 'abc',
    },
  )
  await lab.run('boot')
  const shown = JSON.stringify(lab.events)
  expect(shown).not.toMatch(/lab-secret|other-secret|api-secret|YXBpLXNlY3JldC0z/)
  expect(lab.events.flatMap((event) => (event.type === 'step:log' ? [event.text] : []))).toEqual([
    'token [secret], other none',
    'none unset unset',
    'named [secret]',
    '[secret]Cg==',
    '[secret]',
  ])
  expect(lab.events[1]).toEqual({
    type: 'note',
    level: 'warn',
    text: 'the values of `SHORT` are under 6 characters long, so they are not hidden in the output',
  })
})

test('runs scripts under sh where bash is missing, and says so', async () => {
  const bin = await temporaryDirectory()
  await symlink(findProgram('sh', process.env.PATH) ?? '', join(bin, 'sh'))
  const lab = await openLab(`boot:
  - { id: plain, run: 'echo "\${BASH_VERSION-no bash}"; false; echo on' }
`)
  const { values } = lab.surroundings
  const { steps } = await lab.run('boot', {
    values: { ...values, env: { ...values.env, PATH: bin } },
  })
  expect(steps.plain).toMatchObject({ result: 'failed' })
  expect(
    lab.events.flatMap((event) =>
      event.type === 'step:log' ? [`${event.level} ${event.text}`] : [],
    ),
  ).toEqual([
    'warn bash is not installed: sh runs this, and a failure within a pipe goes unnoticed',
    'output no bash',
  ])
})

test('leaves no script and no output file behind, and no argument shows the script', async () => {
  const lab = await openLab(`boot:
  - { id: look, run: 'tr "\\0" " " < /proc/$$/cmdline; : findme' }
`)
  await lab.run('boot')
  const [line] = lab.events.flatMap((event) => (event.type === 'step:log' ? [event.text] : []))
  expect(line).toMatch(/bash --noprofile --norc -eo pipefail \S+\/commands\/look-\w+\/script $/)
  expect(await readdir(join(lab.stateDirectory, 'commands'))).toEqual([])
})

test('refuses a boot whose state cannot be written, and runs a shutdown all the same', async () => {
  const script = '- { id: script, run: echo script >> log }'
  const lab = await openLab(`boot:${note('start')}\nshutdown:${note('save')}\n  ${script}\n`)
  const file = join(lab.directory, 'file')
  await writeFile(file, '')
  const stateDirectory = join(file, 'state')
  await expect(lab.run('boot', { stateDirectory })).rejects.toMatchObject({
    code: 'core/state-not-written',
  })
  expect((await lab.run('shutdown', { stateDirectory })).result).toBe('ready')
  expect(await lab.notes()).toEqual(['save', 'script'])
  const notes = lab.events.flatMap((event) => (event.type === 'note' ? [event.text] : []))
  expect(notes[0]).toMatch(/^the state of the container is not to be relied upon: could not write/)
})

test('says how a script failed, with the meaning of its exit code and its last words', async () => {
  const lab = await openLab(`boot:
  - { id: venv, run: 'echo installing >&2; no-such-pip install' }
`)
  const { steps } = await lab.run('boot')
  expect(steps.venv?.error).toEqual({
    code: 'core/command-failed',
    message:
      'could not run `venv`: it ended with exit code 127 (command not found): line 1: no-such-pip: command not found',
    excerpt: 'installing\nline 1: no-such-pip: command not found',
  })
})

test('leaves deferred steps for later, and then runs only these, with the outputs of the others', async () => {
  const lab = await openLab(`
boot:${note('first')}${note('late', 'defer: true')}${note('last')}
  - { id: later, defer: true, run: 'echo "later \${{ steps.first.outputs.text }} \${{ steps.late.outputs.text }}" >> log' }
`)
  expect((await lab.run('boot')).result).toBe('ready')
  expect(await lab.notes()).toEqual(['first', 'late', 'last', 'later first late'])
  const boot = await lab.run('boot', { deferred: 'leave' })
  expect(Object.keys(boot.steps)).toEqual(['first', 'last'])
  const outputs = outputFile(lab.stateDirectory)
  expect(Object.keys(await outputs.read())).toEqual(['first', 'last'])
  lab.events.splice(0)
  expect((await lab.run('boot', { deferred: 'only' })).result).toBe('ready')
  expect((await lab.notes()).slice(6)).toEqual(['late', 'later first late'])
  expect(Object.keys(await outputs.read())).toEqual(['first', 'last', 'late', 'later'])
  expect(lab.events[0]).toMatchObject({ deferred: true, steps: [{ id: 'late' }, { id: 'later' }] })
})
