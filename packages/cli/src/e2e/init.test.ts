import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requirement } from '@berth/core/testing'
import { expect } from 'vitest'
import { eventually, hasCommand, Pod, signalPid1 } from './pod.ts'

const unshare = ['unshare', '--pid', '--mount', '--fork', '--mount-proc', '--kill-child']
const canUnshare = spawnSync('unshare', [...unshare.slice(1), 'true']).status === 0
const needsRoot = 'a PID namespace needs root and util-linux'
const asPid1 = requirement('unshare', canUnshare || needsRoot)
const underTini = requirement(
  'tini',
  canUnshare ? hasCommand('tini') || 'tini is not installed' : needsRoot,
)

const recipe = `
grace: 12s
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`
const polite = `trap 'echo term >> "$LOG"; exit 5' TERM; echo main >> "$LOG"; while :; do sleep 0.05; done`

/** Leaves ten grandchildren to PID 1, then says who that is and how many zombies there are. */
const orphaning = `
for i in 1 2 3 4 5 6 7 8 9 10; do sh -c 'sleep 0.2 &'; done
sleep 0.6
basename "$(tr '\\0' '\\n' < /proc/1/cmdline | head -n 1)" >> "$LOG"
cat /proc/[0-9]*/status 2> /dev/null | grep -c '^State:.Z' >> "$LOG"
`

underTini('becomes, as PID 1, the child of tini, which leaves no zombies', async () => {
  const pod = new Pod(recipe)
  const command = ['sh', '-c', `${orphaning}\nexit 7`]
  const run = pod.berth(['boot', pod.recipe, '--', ...command], {}, unshare)
  expect((await run.ended).code).toBe(7)
  expect(pod.log).toEqual(['tini', '0', 'save'])
  expect(run.stderr).not.toContain('zombies')
  expect(run.stderr).not.toContain('Warning')
})

underTini('gets SIGTERM through tini, stops main and saves', async () => {
  const pod = new Pod(recipe)
  const run = pod.berth(['boot', pod.recipe, '--', 'sh', '-c', polite], {}, unshare)
  await eventually(
    () => pod.log.includes('main'),
    () => run.stderr,
  )
  signalPid1(run, 'SIGTERM')
  expect((await run.ended).code).toBe(5)
  expect(pod.log).toEqual(['main', 'term', 'save'])
})

const withoutInits = [
  ...unshare,
  'sh',
  '-c',
  `for init in tini tini-static docker-init catatonit dumb-init; do
    for file in /usr/local/bin/$init /usr/bin/$init /bin/$init /sbin/$init /usr/sbin/$init; do
      [ ! -e "$file" ] || mount --bind /dev/null "$file"
    done
  done
  exec "$@"`,
  'sh',
]

asPid1(
  'goes on as PID 1 where there is no init, says what follows, and stops on SIGTERM',
  async () => {
    const pod = new Pod(recipe)
    const run = pod.berth(['boot', pod.recipe, '--', 'sh', '-c', polite], {}, withoutInits)
    await eventually(
      () => pod.log.includes('main'),
      () => run.stderr,
    )
    expect(run.stderr).toContain('no init (tini, …) was found: zombies will accumulate')
    signalPid1(run, 'SIGTERM')
    expect((await run.ended).code).toBe(5)
    expect(pod.log).toEqual(['main', 'term', 'save'])
  },
)

asPid1('passes over an init that does not start', async () => {
  const pod = new Pod(recipe)
  const bin = join(pod.directory, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'tini'), 'not a program')
  chmodSync(join(bin, 'tini'), 0o755)
  const env = { PATH: `${bin}:${process.env.PATH}` }
  const command = ['sh', '-c', 'echo main >> "$LOG"']
  const run = pod.berth(['boot', pod.recipe, '--', ...command], env, unshare)
  expect((await run.ended).code).toBe(0)
  expect(pod.log).toEqual(['main', 'save'])
})
