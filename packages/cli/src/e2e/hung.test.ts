import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually, Pod } from './pod.ts'

/** A file whose opening waits for ever, as everything does on a volume whose server is gone. */
function hungFile(directory: string, name: string): string {
  mkdirSync(directory, { recursive: true })
  spawnSync('mkfifo', [join(directory, name)])
  return join(directory, name)
}

const recipe = `
grace: 2s
boot: [{ id: first, run: 'true', undo: 'echo undone >> "$LOG"' }]
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`

test('boots, saves and ends at SIGTERM though the history lies on a volume that hangs', async () => {
  const pod = new Pod(recipe)
  const history = join(pod.directory, 'history')
  hungFile(history, 'lives.jsonl')
  const run = pod.boot(['--', 'sleep', '60'], { BERTH_HISTORY_DIR: history })
  await eventually(
    () => run.stderr.includes('running sleep'),
    () => run.stderr,
  )
  run.kill('SIGTERM')
  await run.ended
  expect(pod.log).toEqual(['save', 'undone'])
  expect(run.stderr).toContain('a disk or a volume does not answer')
})

test('knows the grace of --grace before the recipe, which may lie on a volume that hangs', async () => {
  const pod = new Pod('')
  const lost = hungFile(join(pod.directory, 'volume'), 'recipe.yaml')
  const run = pod.berth(['boot', lost, '--grace', '1s', '--', 'true'])
  await eventually(
    () => existsSync(join(pod.directory, 'state/boot.pid')),
    () => run.stderr,
  )
  const signalledAt = performance.now()
  run.kill('SIGTERM')
  await run.ended
  // Half of the ten seconds that a container has by default would pass before anything is killed.
  expect(performance.now() - signalledAt).toBeLessThan(5000)
})
