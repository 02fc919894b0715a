import { expect, test } from 'vitest'
import { openLab } from '../testing/lab.ts'

const rungEnds = (lab: Awaited<ReturnType<typeof openLab>>) =>
  lab.events.flatMap((event) =>
    event.type === 'step:end' && event.of !== undefined
      ? [
          `${event.of}/${event.step} ${event.result} ${event.reason ?? event.error?.message ?? ''}`.trim(),
        ]
      : [],
  )

test('tries the rungs in order, shows why each was refused, and gives the outputs of the first that ends well', async () => {
  const lab = await openLab(`
boot:
  - id: models
    any-of:
      - { id: mount, run: 'echo "no /dev/fuse" >&2; exit 4', outputs: [where] }
      - { id: link, uses: lab/note, with: { text: never }, if: "env.VOLUME != ''" }
      - { id: download, run: 'echo "where=disk" >> "$BERTH_OUTPUT"; echo download >> log', outputs: [where] }
      - { id: last, uses: lab/note, with: { text: never } }
  - { uses: lab/note, with: { text: "\${{ steps.models.outputs.chosen }} \${{ steps.models.outputs.where }}" } }
`)
  const { result, steps } = await lab.run('boot')
  expect(result).toBe('ready')
  expect(await lab.notes()).toEqual(['download', 'download disk'])
  expect(steps.models).toEqual({ result: 'done', facts: { chosen: 'download', where: 'disk' } })
  expect(rungEnds(lab)).toEqual([
    'models/mount failed could not run `mount`: it ended with exit code 4: no /dev/fuse',
    "models/link skipped `if: env.VOLUME != ''` does not hold",
    'models/download done',
  ])
})

test('takes back what a refused rung had begun before it tries the next', async () => {
  const lab = await openLab(`
boot:
  - id: models
    any-of:
      - { id: mount, uses: lab/mount, with: { name: a, fail: true } }
      - { id: script, run: 'echo "pid=7" >> "$BERTH_OUTPUT"; echo begun >> log; exit 1', outputs: [pid], undo: 'echo "killed \${{ steps.models.outputs.pid }}" >> log' }
      - { id: download, run: echo download >> log, undo: echo deleted >> log }
`)
  expect((await lab.run('boot')).result).toBe('ready')
  expect(await lab.notes()).toEqual(['mount a', 'unmount a', 'begun', 'killed 7', 'download'])
  expect((await lab.undo()).undone).toEqual([{ step: 'download', result: 'done' }])
  expect((await lab.undo()).undone).toEqual([])
})

test('goes no further when what a rung had begun cannot be taken back', async () => {
  const lab = await openLab(`
boot:
  - id: models
    retry: { attempts: 3, initial: 1ms }
    any-of:
      - { id: mount, uses: lab/mount, with: { name: stuck, fail: true } }
      - { id: download, uses: lab/note, with: { text: download } }
`)
  const { steps } = await lab.run('boot')
  expect(steps.models).toMatchObject({
    result: 'failed',
    error: {
      code: 'core/refused-not-undone',
      message:
        'could not go on with `models`: what `mount` had begun is still there: could not unmount stuck: it is stuck',
    },
  })
  expect(await lab.notes()).toEqual(['mount stuck'])
  expect((await lab.undo()).undone).toMatchObject([{ step: 'mount', result: 'failed' }])
})

test('fails when no rung ends well, with all the reasons, and is skipped when none had anything to do', async () => {
  const lab = await openLab(`
boot:
  - id: ill
    optional: true
    explain: No model can be had.
    any-of:
      - { id: one, run: exit 1 }
      - { id: two, if: 'false', run: 'true' }
  - id: idle
    any-of: [{ id: three, if: 'false', run: 'true' }]
`)
  const { result, steps } = await lab.run('boot')
  expect(result).toBe('degraded')
  expect(steps).toMatchObject({
    ill: {
      result: 'failed',
      explain: 'No model can be had.',
      error: {
        code: 'core/none-of',
        message:
          'could not run `ill`: none of its alternatives ended well: `one`: could not run `one`: it ended with exit code 1; `two`: `if: false` does not hold',
      },
    },
    idle: { result: 'skipped', reason: '`three`: `if: false` does not hold' },
  })
})

test('tries each rung as often as it says, and all of them as often as the ladder says', async () => {
  const lab = await openLab(`
boot:
  - id: models
    retry: { attempts: 2, initial: 1ms }
    any-of:
      - { id: one, run: 'echo one >> log; exit 1', retry: { attempts: 2, initial: 1ms } }
      - { id: two, run: 'echo two >> log; [ "$(grep -c two log)" = 2 ]' }
`)
  expect((await lab.run('boot')).result).toBe('ready')
  expect(await lab.notes()).toEqual(['one', 'one', 'two', 'one', 'one', 'two'])
})

test('goes to the next rung after the timeout of one, and ends at its own', async () => {
  const lab = await openLab(`
boot:
  - id: models
    timeout: 1s
    any-of:
      - { id: slow, uses: lab/wait, with: { ms: 60000 }, timeout: 30ms }
      - { id: mount, run: 'echo begun >> log; sleep 60', undo: echo undone >> log }
      - { id: never, uses: lab/note, with: { text: never } }
`)
  const { steps } = await lab.run('boot')
  expect(steps.models).toEqual({
    result: 'timeout',
    reason: 'it took longer than its timeout of 1s',
  })
  expect(await lab.notes()).toEqual(['wait', 'begun', 'undone'])
})

test('leaves to the shutdown what a cancelled ladder had begun, and tries nothing more', async () => {
  const lab = await openLab(`
boot:
  - id: models
    any-of:
      - { id: mount, run: 'echo begun >> log; sleep 60', undo: echo undone >> log }
      - { id: never, uses: lab/note, with: { text: never } }
`)
  const cancel = new AbortController()
  const running = lab.run('boot', { signal: cancel.signal })
  await expect.poll(() => lab.notes()).toEqual(['begun'])
  cancel.abort()
  expect(await running).toMatchObject({
    result: 'cancelled',
    steps: { models: { result: 'cancelled' } },
  })
  expect(await lab.notes()).toEqual(['begun'])
  await lab.undo()
  expect(await lab.notes()).toEqual(['begun', 'undone'])
})

test('is cancelled, not failed, while it takes back what a rung had begun', async () => {
  const lab = await openLab(`
boot:
  - id: models
    any-of:
      - { id: mount, run: exit 1, undo: '[ -e again ] && echo undone >> log || { touch again; echo undoing >> log; sleep 60; }' }
      - { id: never, uses: lab/note, with: { text: never } }
`)
  const cancel = new AbortController()
  const running = lab.run('boot', { signal: cancel.signal })
  await expect.poll(() => lab.notes()).toEqual(['undoing'])
  cancel.abort()
  expect((await running).steps.models).toMatchObject({ result: 'cancelled' })
  await lab.undo()
  expect(await lab.notes()).toEqual(['undoing', 'undone'])
})

test('lets the undo of a rung end that has begun when it is cancelled, so that it is done once', async () => {
  const lab = await openLab(`
boot:
  - id: models
    any-of:
      - { id: mount, run: exit 1, undo: 'echo undoing >> log; sleep 0.3; echo undone >> log' }
      - { id: never, uses: lab/note, with: { text: never } }
`)
  const cancel = new AbortController()
  const running = lab.run('boot', { signal: cancel.signal })
  await expect.poll(() => lab.notes()).toEqual(['undoing'])
  cancel.abort()
  expect((await running).steps.models).toMatchObject({ result: 'cancelled' })
  expect((await lab.undo()).undone).toEqual([])
  expect(await lab.notes()).toEqual(['undoing', 'undone'])
})

test('shows the whole ladder in a plan, with what each rung would do', async () => {
  const lab = await openLab(`
boot:
  - id: models
    any-of:
      - { id: mount, if: 'false', uses: lab/mount, with: { name: a } }
      - { id: note, uses: lab/note, with: { text: hello } }
      - { id: last, run: echo last }
  - { uses: lab/note, with: { text: "\${{ steps.models.outputs.chosen }}" } }
`)
  expect(await lab.plan('boot')).toMatchObject([
    {
      id: 'models',
      action: 'run',
      summary: 'tries `note` first: would note hello',
      rungs: [
        { id: 'mount', action: 'skipped', summary: '`if: false` does not hold' },
        { id: 'note', action: 'run', summary: 'would note hello' },
        { id: 'last', action: 'run', summary: 'runs `echo last`' },
      ],
    },
    { action: 'run', summary: 'would note note' },
  ])
})
