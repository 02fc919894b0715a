import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLab } from '../testing/lab.ts'
import { temporaryDirectory } from '../testing.ts'

test('runs the undo scripts in reverse order, once, as the scripts were run and with their outputs', async () => {
  const lab = await openLab(
    `
secrets: [MY_TOKEN, OTHER_TOKEN]
boot:
  - id: first
    run: 'echo "pid=7" >> "$BERTH_OUTPUT"; mkdir sub'
    outputs: [pid]
    undo: 'echo "undo first \${{ steps.first.outputs.pid }}" >> log'
  - id: second
    run: echo "second $WHO" >> ../log
    undo: '[[ -d . ]] && echo "undo second $WHO \${PWD##*/} \${MY_TOKEN:-none} \${OTHER_TOKEN:-none}" >> ../log'
    env: { WHO: "pod-\${{ steps.first.outputs.pid }}" }
    working-directory: sub
    secrets: [MY_TOKEN]
`,
    { MY_TOKEN: 'token-1', OTHER_TOKEN: 'token-2' },
  )
  expect((await lab.run('boot')).result).toBe('ready')
  expect(await lab.undo()).toEqual({
    result: 'ready',
    undone: [
      { step: 'second', result: 'done' },
      { step: 'first', result: 'done' },
    ],
  })
  expect(await lab.notes()).toEqual([
    'second pod-7',
    'undo second pod-7 sub token-1 none',
    'undo first 7',
  ])
  expect((await lab.undo()).undone).toEqual([])
  await expect(access(join(lab.stateDirectory, 'undo', 'boot.first'))).rejects.toThrow('ENOENT')
})

test('takes back a script that failed, once for all its attempts, with what each had written', async () => {
  const lab = await openLab(`
boot:
  - id: flaky
    run: |
      echo begun >> log
      echo "n$(wc -l < log)=x" >> "$BERTH_OUTPUT"
      printf 'last=%s' "$(wc -l < log)" >> "$BERTH_OUTPUT"
      exit 1
    outputs: [n1, n2, last]
    undo: echo "undo \${{ steps.flaky.outputs.n1 }} \${{ steps.flaky.outputs.n2 }} \${{ steps.flaky.outputs.last }}" >> log
    retry: { attempts: 2, initial: 1ms }
  - { run: 'echo "[\${{ steps.flaky.outputs.last }}]" >> log', if: always() }
`)
  expect((await lab.run('boot')).result).toBe('failed')
  await lab.undo()
  expect(await lab.notes()).toEqual(['begun', 'begun', '[]', 'undo x x 2'])
})

test('gives a later attempt only its own outputs', async () => {
  const lab = await openLab(`
boot:
  - id: flaky
    run: |
      echo begun >> log
      echo "n$(wc -l < log)=x" >> "$BERTH_OUTPUT"
      [ "$(wc -l < log)" = 2 ]
    outputs: [n1, n2]
    undo: 'true'
    retry: { attempts: 2, initial: 1ms }
`)
  const { steps } = await lab.run('boot')
  expect(steps.flaky).toMatchObject({ result: 'done', facts: { n2: 'x' } })
  expect(steps.flaky?.facts).not.toHaveProperty('n1')
})

test('does not take back what never began', async () => {
  const lab = await openLab(`
boot:
  - { run: 'true', undo: echo no >> log, if: 'false' }
  - { run: exit 1 }
  - { run: 'true', undo: echo no >> log }
`)
  await lab.run('boot')
  expect(await lab.undo()).toEqual({ result: 'ready', undone: [] })
})

test('says which undo failed, whether that is critical, and tries it again the next time', async () => {
  const recipe = (optional: boolean) => `
boot:
  - { id: bad, run: 'true', undo: 'echo "it is stuck" >&2; exit 3', optional: ${optional} }
  - { id: good, run: 'true', undo: echo good >> log }
`
  for (const optional of [false, true]) {
    const lab = await openLab(recipe(optional))
    await lab.run('boot')
    const message = 'could not run `bad`: it ended with exit code 3: it is stuck'
    expect(await lab.undo()).toMatchObject({
      result: optional ? 'degraded' : 'failed',
      undone: [
        { step: 'good', result: 'done' },
        { step: 'bad', result: 'failed', error: { code: 'core/command-failed', message } },
      ],
    })
    expect((await lab.undo()).undone).toMatchObject([{ step: 'bad', result: 'failed' }])
  }
})

test('does not run the undo of another script where the recipe has changed', async () => {
  const lab = await openLab(`boot: [{ id: a, run: 'true', undo: echo a >> log }]`)
  await lab.run('boot')
  const other = await openLab(`boot: [{ id: b, run: 'true', undo: echo b >> log }]`)
  const { stateDirectory } = lab
  expect(await other.undo({ stateDirectory })).toMatchObject({
    result: 'failed',
    undone: [{ step: 'a', result: 'failed', error: { code: 'core/unknown-undo' } }],
  })
  expect(await other.notes()).toEqual([])
})

test('takes back in another process a script that was killed with its runner, with what it had written', async () => {
  const directory = await temporaryDirectory()
  const text = `
boot:
  - id: daemon
    run: |
      echo "pid=7" >> "$BERTH_OUTPUT"
      printf 'half' >> "$BERTH_OUTPUT"
      echo $$ > pid
      echo begun >> log
      sleep 60
    outputs: [pid, half]
    undo: echo "killed \${{ steps.daemon.outputs.pid }}" >> log
`
  const script = `
    const { openLab } = await import(${JSON.stringify(new URL('../testing/lab.ts', import.meta.url).href)})
    const lab = await openLab(${JSON.stringify(text)})
    await lab.run('boot', { stateDirectory: ${JSON.stringify(directory)}, workingDirectory: ${JSON.stringify(directory)} })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' })
  const exited = once(child, 'exit')
  const log = () => readFile(join(directory, 'log'), 'utf8').catch(() => '')
  await expect.poll(log, { timeout: 30_000 }).toBe('begun\n')
  child.kill('SIGKILL')
  await exited
  process.kill(-Number(await readFile(join(directory, 'pid'), 'utf8')), 'SIGKILL')
  const lab = await openLab(text)
  const { result } = await lab.undo({ stateDirectory: directory, workingDirectory: directory })
  expect(result).toBe('ready')
  expect(await log()).toBe('begun\nkilled 7\n')
})
