import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLab } from '../testing/lab.ts'
import { temporaryDirectory } from '../testing.ts'

const mounts = (...names: string[]) =>
  `boot:${names.map((name) => `\n  - { id: ${name}, uses: lab/mount, with: { name: ${name} } }`).join('')}\n`

test('takes everything back in reverse order, once, whoever asks again', async () => {
  const lab = await openLab(mounts('a', 'b', 'c'))
  await lab.run('boot')
  expect(await lab.undo()).toEqual({
    result: 'ready',
    undone: ['c', 'b', 'a'].map((step) => ({ step, result: 'done' })),
  })
  expect(await lab.undo()).toEqual({ result: 'ready', undone: [] })
  expect(await lab.notes()).toEqual([
    'mount a',
    'mount b',
    'mount c',
    'unmount c',
    'unmount b',
    'unmount a',
  ])
  expect(
    lab.events.filter((event) => event.type === 'step:end' && event.phase === 'undo'),
  ).toHaveLength(3)
})

test('takes back what was announced by a step that failed afterwards, once for all its attempts', async () => {
  const lab = await openLab(`boot:
  - { id: a, uses: lab/mount, with: { name: a, fail: true }, retry: { attempts: 3, initial: 1ms } }
`)
  expect((await lab.run('boot')).result).toBe('failed')
  await lab.undo()
  expect(await lab.notes()).toEqual(['mount a', 'mount a', 'mount a', 'unmount a'])
})

test('goes on after an undo that fails, says so, and tries that one again the next time', async () => {
  const lab = await openLab(mounts('a', 'stuck', 'c'))
  await lab.run('boot')
  const first = await lab.undo()
  expect(first.result).toBe('failed')
  expect(first.undone).toMatchObject([
    { step: 'c', result: 'done' },
    {
      step: 'stuck',
      result: 'failed',
      error: { code: 'lab/stuck', message: 'could not unmount stuck: it is stuck' },
    },
    { step: 'a', result: 'done' },
  ])
  expect((await lab.undo()).undone).toMatchObject([{ step: 'stuck', result: 'failed' }])
})

test('gives an undo that hangs no more than half of the time while others wait', async () => {
  const lab = await openLab(mounts('a', 'b', 'hung'))
  await lab.run('boot')
  const { result, undone } = await lab.undo({ deadline: Date.now() + 4000 })
  expect(result).toBe('failed')
  expect(undone).toEqual([
    {
      step: 'hung',
      result: 'timeout',
      reason: 'it took more than half of the time that is left, and others wait behind it',
    },
    { step: 'b', result: 'done' },
    { step: 'a', result: 'done' },
  ])
})

test('leaves the rest in the journal when the deadline has been reached', async () => {
  const lab = await openLab(mounts('a', 'b'))
  await lab.run('boot')
  const reason = 'not started: the deadline had been reached'
  expect((await lab.undo({ deadline: Date.now() - 1 })).undone).toEqual([
    { step: 'b', result: 'timeout', reason },
    { step: 'a', result: 'timeout', reason },
  ])
  expect((await lab.undo()).undone).toEqual([
    { step: 'b', result: 'done' },
    { step: 'a', result: 'done' },
  ])
})

test('finds the undo in a recipe whose step has another id, and says when there is none', async () => {
  const lab = await openLab(mounts('a'))
  await lab.run('boot')
  const renamed = await openLab(mounts('renamed'))
  const without = await openLab('boot:\n  - run: echo\n')
  const { stateDirectory } = lab
  expect(await without.undo({ stateDirectory })).toMatchObject({
    result: 'failed',
    undone: [{ step: 'a', result: 'failed', error: { code: 'core/unknown-undo' } }],
  })
  expect((await renamed.undo({ stateDirectory })).undone).toEqual([{ step: 'a', result: 'done' }])
})

test('skips the undo of optional steps on request', async () => {
  const lab = await openLab(`boot:
  - { id: a, uses: lab/mount, with: { name: a } }
  - { id: b, uses: lab/mount, with: { name: b }, optional: true }
`)
  await lab.run('boot')
  expect(await lab.undo({ skipOptional: AbortSignal.abort() })).toMatchObject({
    result: 'degraded',
    undone: [
      { step: 'b', result: 'skipped' },
      { step: 'a', result: 'done' },
    ],
  })
})

const optionalOnTop = `${mounts('a', 'b')}  - { id: hung, uses: lab/mount, with: { name: hung }, optional: true }
`

test('keeps for what is critical as much time as an optional undo in front of it gets', async () => {
  const lab = await openLab(optionalOnTop)
  await lab.run('boot')
  expect(await lab.undo({ deadline: Date.now() + 3000 })).toMatchObject({
    result: 'degraded',
    undone: [
      { step: 'hung', result: 'timeout' },
      { step: 'b', result: 'done' },
      { step: 'a', result: 'done' },
    ],
  })
})

test('leaves out an optional undo where the time is short', async () => {
  const lab = await openLab(optionalOnTop)
  await lab.run('boot')
  expect((await lab.undo({ deadline: Date.now() + 800 })).undone).toEqual([
    {
      step: 'hung',
      result: 'timeout',
      reason: 'not started: the time is kept for what is critical',
    },
    { step: 'b', result: 'done' },
    { step: 'a', result: 'done' },
  ])
})

test('takes back in this process whatever another one had begun when it was killed', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `m${index}`)
  let killedInTheMiddle = 0
  for (let round = 0; round < 5; round++) {
    const directory = await temporaryDirectory()
    const lab = await openLab(mounts(...names))
    const log = join(directory, 'log')
    const script = `
      const { openLab } = await import(${JSON.stringify(new URL('../testing/lab.ts', import.meta.url).href)})
      const lab = await openLab(${JSON.stringify(mounts(...names))})
      const emit = ({ type }) => type === 'step:end' && console.log(type)
      await lab.run('boot', { emit, stateDirectory: ${JSON.stringify(directory)}, workingDirectory: ${JSON.stringify(directory)} })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    let ended = 0
    for await (const text of child.stdout.setEncoding('utf8')) {
      ended += String(text).split('\n').length - 1
      if (ended > round * 6) child.kill('SIGKILL')
    }
    await exited
    await appendFile(join(directory, 'undo.jsonl'), '{"kind":"intent","ste')
    const { result } = await lab.undo({ stateDirectory: directory })
    expect(result).toBe('ready')
    const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n').slice(0, -1)
    const mounted = lines.filter((line) => line.startsWith('mount ')).map((line) => line.slice(6))
    const unmounted = lines
      .filter((line) => line.startsWith('unmount '))
      .map((line) => line.slice(8))
    // The last one may have been announced and not begun.
    expect([mounted, names.slice(0, mounted.length + 1)]).toContainEqual(unmounted.toReversed())
    expect(mounted).toEqual(names.slice(0, mounted.length))
    if (mounted.length > 0 && mounted.length < names.length) killedInTheMiddle += 1
    expect((await lab.undo({ stateDirectory: directory })).undone).toEqual([])
  }
  expect(killedInTheMiddle).toBeGreaterThan(0)
})
