import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { planPipeline } from './plan-pipeline.ts'
import { openLab } from '../testing/lab.ts'
import { readTree } from '../testing.ts'

async function plan(text: string, env: Record<string, string> = {}) {
  const lab = await openLab(text, env)
  const planned = await planPipeline({ ...lab.surroundings, pipeline: 'boot' })
  return {
    lab,
    planned,
    lines: planned.map(({ id, action, summary }) => `${id}: ${action}: ${summary}`),
  }
}

test('says what each step would do and writes nothing', async () => {
  const { lab, lines, planned } = await plan(`
vars: { on: { default: false } }
boot:
  - { id: first, uses: lab/note, with: { text: hello } }
  - { id: second, uses: lab/note, with: { text: "after \${{ steps.first.outputs.text }}" } }
  - { id: third, run: "touch file\\ntouch other", optional: true }
  - { id: fourth, run: touch file, if: vars.on, needs: [first] }
`)
  expect(lines).toEqual([
    'first: run: would note hello',
    'second: run: would note after hello',
    'third: run: runs `touch file …`',
    'fourth: skipped: `if: vars.on` does not hold',
  ])
  expect(planned[3]).toEqual({
    id: 'fourth',
    name: 'fourth',
    needs: ['first'],
    optional: false,
    action: 'skipped',
    summary: '`if: vars.on` does not hold',
  })
  expect(await readTree(lab.directory)).toEqual({})
})

test('does not guess what depends on something that only a run finds out', async () => {
  const { lines } = await plan(`
vars: { on: { default: false } }
boot:
  - { id: script, run: 'echo "name=x" >> "$BERTH_OUTPUT"', outputs: [name] }
  - { id: first, uses: lab/note, with: { text: "\${{ steps.script.outputs.name }}" } }
  - { id: second, uses: lab/note, with: { text: "\${{ steps.first.outputs.path }}" } }
  - { id: third, uses: lab/note, with: { text: x }, if: steps.script.outputs.name == 'x' }
  - { id: off, run: 'echo', if: vars.on, outputs: [name] }
  - { id: fourth, uses: lab/note, with: { text: "[\${{ steps.off.outputs.name }}]" } }
`)
  expect(lines).toEqual([
    'script: run: runs `echo "name=x" >> "$BERTH_OUTPUT"`',
    'first: unknown: depends on what `script` finds',
    'second: unknown: depends on what `first` finds',
    'third: unknown: depends on what `script` finds',
    'off: skipped: `if: vars.on` does not hold',
    'fourth: run: would note []',
  ])
})

test('hides secrets, but plans later steps with them', async () => {
  const { lines, planned } = await plan(
    `
secrets: [LAB_TOKEN]
boot:
  - { id: first, uses: lab/note, with: { text: "\${{ secrets.LAB_TOKEN }}" } }
  - { id: second, uses: lab/note, with: { text: "\${{ steps.first.outputs.text == secrets.LAB_TOKEN }}" } }
`,
    { LAB_TOKEN: 'lab-secret-1' },
  )
  expect(lines).toEqual(['first: run: would note [secret]', 'second: run: would note true'])
  expect(planned[0]?.facts).toEqual({ text: '[secret]' })
})

test('says why a step cannot be planned, and plans the others', async () => {
  const { planned } = await plan(
    `
vars: { wait: { env: WAIT } }
boot:
  - { id: first, uses: lab/wait, with: { ms: "\${{ vars.wait }}" } }
  - { id: second, uses: lab/note, with: { text: x } }
`,
    { WAIT: 'soon' },
  )
  expect(planned).toMatchObject([
    { action: 'unknown', error: { code: 'recipe/invalid-input' } },
    { action: 'run' },
  ])
})

test('uses what is known of the steps of another pipeline', async () => {
  const lab = await openLab(`
boot:
  - { id: first, uses: lab/note, with: { text: x } }
shutdown:
  - { id: save, uses: lab/note, with: { text: "save \${{ steps.first.outputs.text }}" } }
`)
  const options = { ...lab.surroundings, pipeline: 'shutdown' as const }
  expect(await planPipeline(options)).toMatchObject([{ action: 'unknown' }])
  const steps = { first: { outputs: { text: 'it' }, result: 'done' as const } }
  expect(await planPipeline({ ...options, steps })).toMatchObject([
    { summary: 'would note save it' },
  ])
  await expect(readFile(lab.stateDirectory)).rejects.toThrow('ENOENT')
})
