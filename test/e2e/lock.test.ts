import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { root } from '../workspace.ts'

const PODS = 8
const ROUNDS = 3

/** A directory makes it sure that nobody else is in there: mkdir fails when it exists. */
const WORK = `
  mkdir "$VOLUME/inside" || { echo "overlap $POD" >> "$VOLUME/log"; exit 1; }
  echo "in $POD" >> "$VOLUME/log"
  sleep 0.1
  rmdir "$VOLUME/inside"
`

function recipe(ttl: string): string {
  return `
name: locked
boot:
  - id: work
    lock: { file: "\${{ env.VOLUME }}/locks/work", ttl: ${ttl}, wait: 2m }
    run: |${WORK.replaceAll('\n', '\n    ')}
  - { id: hang, if: "env.HANG == 'yes'", run: 'echo $$ > "$VOLUME/held"; sleep 300', lock: { file: "\${{ env.VOLUME }}/locks/work", ttl: ${ttl} } }
`
}

interface Scene {
  volume: string
  start: (pod: string, env?: NodeJS.ProcessEnv) => { pid: number; ended: Promise<number | null> }
  log: () => string[]
}

function openScene(ttl: string): Scene {
  const volume = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-lock-'))
  onTestFinished(() => fs.rmSync(volume, { recursive: true, force: true }))
  const file = path.join(volume, 'recipe.yaml')
  fs.writeFileSync(file, recipe(ttl))
  const start: Scene['start'] = (pod, env = {}) => {
    const args = ['run', file, 'boot', '--state-dir', path.join(volume, `state-${pod}`)]
    const child = spawn(`${root}/packages/cli/bin/berth`, args, {
      env: { ...process.env, VOLUME: volume, POD: pod, ...env },
      stdio: 'ignore',
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    return { pid: child.pid ?? 0, ended }
  }
  const log = () => fs.readFileSync(path.join(volume, 'log'), 'utf8').trimEnd().split('\n')
  return { volume, start, log }
}

test('eight pods that share a directory never run a locked step at the same time', async () => {
  const { start, log } = openScene('30s')
  const pods = Array.from({ length: PODS }, (_, index) => `pod-${index}`)
  const live = async (pod: string) => {
    for (let round = 0; round < ROUNDS; round += 1) expect(await start(pod).ended, pod).toBe(0)
  }
  await Promise.all(pods.map(live))
  const expected = pods.flatMap((pod) => Array.from({ length: ROUNDS }, () => `in ${pod}`))
  expect(log().toSorted()).toEqual(expected.toSorted())
}, 120_000)

test('a lock whose pod was killed is taken by one of those that wait, and not before it is over', async () => {
  const { volume, start, log } = openScene('1s')
  const holder = start('killed', { HANG: 'yes' })
  const held = path.join(volume, 'held')
  while (!fs.existsSync(held)) await sleep(10)
  const waiting = ['pod-1', 'pod-2', 'pod-3'].map((pod) => start(pod))
  await sleep(1000)
  process.kill(holder.pid, 'SIGKILL')
  const killedAt = Date.now()
  await holder.ended
  process.kill(-Number(fs.readFileSync(held, 'utf8')), 'SIGKILL')
  const { expiresAt } = JSON.parse(fs.readFileSync(path.join(volume, 'locks/work'), 'utf8')) as {
    expiresAt: number
  }
  expect(expiresAt).toBeGreaterThan(killedAt)
  while (log().length === 1) await sleep(10)
  expect(Date.now()).toBeGreaterThan(expiresAt + 1000)
  expect(await Promise.all(waiting.map(({ ended }) => ended))).toEqual([0, 0, 0])
  expect(log().toSorted()).toEqual(['in killed', 'in pod-1', 'in pod-2', 'in pod-3'])
}, 120_000)
