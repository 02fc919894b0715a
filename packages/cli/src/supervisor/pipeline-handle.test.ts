import { spawn } from 'node:child_process'
import type { BerthEvent } from '@berth/core'
import { expect, onTestFinished, test } from 'vitest'
import { PipelineHandle } from './pipeline-handle.ts'

test('is over a moment after SIGKILL, though the process waits for a disk and does not go', async () => {
  const process = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  onTestFinished(() => void process.kill('SIGKILL'))
  const request = {
    recipe: 'recipe.yaml',
    text: undefined,
    pipeline: 'shutdown',
    set: {},
    stateDirectory: '/nowhere',
    grace: undefined,
    command: undefined,
    wasUsed: false,
  } as const
  const events: BerthEvent[] = []
  const gone = new Promise<string>(() => {})
  const child = { process, mark: 'none', gone, said: () => '' }
  const pipeline = new PipelineHandle(request, child, (event) => events.push(event))
  pipeline.killAt(Date.now(), 'its time was over')
  expect(await pipeline.ended).toEqual({ result: 'failed' })
  expect(events).toMatchObject([
    {
      type: 'error',
      error: {
        code: 'cli/pipeline-died',
        message:
          'the shutdown pipeline was killed: its time was over; it is not gone yet: it waits for a disk or a volume',
      },
    },
  ])
})
