import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually, Pod } from './pod.ts'

const recipe = 'boot: [{ id: note, uses: ./plugins/note, with: { file: note } }]\n'
const plugin = `
name: note
description: Writes a note.
inputs: { file: { type: string, required: true, description: Which file. } }
outputs: { pid: { description: Whose it is. } }
run: |
  echo "pid=77" >> "$BERTH_OUTPUT"
  echo hi > "$INPUT_FILE"
  sleep 60
undo: rm "$INPUT_FILE"; echo "undone \${{ steps.run.outputs.pid }}" >> "$LOG"
`

test('a plugin of a folder that was killed half-way is taken back once, though its folder is gone', async () => {
  const pod = new Pod(recipe)
  mkdirSync(join(pod.directory, 'plugins/note'), { recursive: true })
  pod.write('plugins/note/plugin.yaml', plugin)
  const boot = pod.boot(['--', 'true'])
  const note = join(pod.directory, 'note')
  await eventually(
    () => existsSync(note),
    () => boot.stderr,
  )
  boot.kill('SIGKILL')
  await boot.exited
  rmSync(join(pod.directory, 'plugins'), { recursive: true })
  const shutdown = pod.berth(['shutdown', '--wait'])
  expect((await shutdown.ended).code, shutdown.stderr).toBe(0)
  expect({ log: pod.log, isThere: existsSync(note) }).toEqual({
    log: ['undone 77'],
    isThere: false,
  })
  const again = pod.berth(['shutdown', '--wait'])
  await again.ended
  expect(pod.log).toEqual(['undone 77'])
})
