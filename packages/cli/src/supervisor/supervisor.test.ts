import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BerthEvent } from '@berth/core'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { bootEnvironment } from './boot-environment.ts'
import { Supervisor } from './supervisor.ts'

test('ends at the last moment of the grace though what it waits for never comes', async () => {
  const directory = await temporaryDirectory()
  const process = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  onTestFinished(() => void process.kill('SIGKILL'))
  const gone = new Promise<string>(() => {})
  const events: BerthEvent[] = []
  const request = {
    recipe: join(directory, 'recipe.yaml'),
    set: {},
    grace: '300ms',
    // Shorter than a process that can't be killed is waited for.
    graceMs: 300,
    strict: false,
    stateDirectory: directory,
    command: ['true'],
    env: bootEnvironment({}),
    workingDirectory: directory,
    isFirstProcess: false,
  }
  const firstChild = { process, mark: 'none', gone, said: () => '' }
  const supervisor = new Supervisor(request, (event) => events.push(event), { firstChild })
  const ended = supervisor.run()
  const answer = supervisor.controls.shutdown?.({ verb: 'shutdown', wait: true })
  expect(await ended).toBe(143)
  const text =
    'the time is over and the boot has not ended: what is left is for `berth shutdown`, or the next boot'
  expect(await answer).toMatchObject({ state: 'ended', result: 'failed', summary: text })
  const told = events.length
  expect(events.at(-1)).toMatchObject({ type: 'note', level: 'warn', text })
  // Whatever of it still goes on is silent.
  await sleep(500)
  expect(events).toHaveLength(told)
})
