import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { requirement } from '@berth/core/testing'
import { expect } from 'vitest'
import { eventually, Pod, type RunningBerth, runIn } from './pod.ts'

const withProcfs = requirement('procfs', process.platform === 'linux' || 'it needs /proc')

const recipe = `
name: comfyui
grace: 20s
secrets: [STORE_PASSPHRASE]
vars:
  home: { env: NETWORK_VOLUME, default: /tmp/ldisk }
  store: { env: OWED_STORE, default: file:///nowhere }
boot: [{ id: first, outputs: [at], run: 'echo "at=$NETWORK_VOLUME" >> "$BERTH_OUTPUT"' }]
shutdown:
  - id: save
    env: { HOME_DIR: '\${{ vars.home }}', STORE: '\${{ vars.store }}', OF: '\${{ env.OWED_NAME }}', AT: '\${{ steps.first.outputs.at }}' }
    run: '[ ! -e broken ] || exit 1; echo "save $HOME_DIR $STORE $OF $AT $NETWORK_VOLUME" >> "$LOG"'
`
const atBoot = { NETWORK_VOLUME: '/a', OWED_STORE: 'file:///sA', OWED_NAME: 'me' }
const none = { NETWORK_VOLUME: '', OWED_STORE: '', OWED_NAME: '' }
const named = { ...none, OWED_NAME: 'me' }
const saved = 'save /a file:///sA me /a /a'

/** Boots, and is killed when main runs. */
async function killed(pod: Pod, file: string, env: NodeJS.ProcessEnv): Promise<RunningBerth> {
  const mark = `main ${Math.random()}`
  const run = pod.berth(['boot', file, '--', 'sh', '-c', `echo "${mark}" >> "$LOG"; sleep 60`], env)
  await eventually(
    () => pod.log.includes(mark),
    () => run.stderr,
  )
  // It is written a little later.
  const record = join(pod.directory, 'state/events.jsonl')
  await eventually(() => existsSync(record) && readFileSync(record, 'utf8').includes('main:start'))
  run.kill('SIGKILL')
  await run.exited
  return run
}

function saves(pod: Pod): string[] {
  return pod.log.filter((line) => line.startsWith('save'))
}

withProcfs('puts a killed boot away with the values of its boot', async () => {
  const pod = new Pod(recipe)
  const secret = 'correct horse battery'
  await killed(pod, pod.recipe, { ...atBoot, STORE_PASSPHRASE: secret })
  expect(readFileSync(join(pod.directory, 'state/life.json'), 'utf8')).not.toContain(secret)
  expect(runIn(pod, ['doctor']).stdout).toMatch(
    /state +⚠ .*the last boot is over, and comfyui .* was not put away\n.*run `berth shutdown`/,
  )

  const other = runIn(pod, ['shutdown'], { ...atBoot, NETWORK_VOLUME: '/b' })
  expect(other.status).toBe(2)
  expect(other.stderr).toContain('`NETWORK_VOLUME` is `/b`, and was `/a` at the boot')
  expect(other.stderr).toContain('`unset NETWORK_VOLUME`, or give `--set home=…`')
  const unkept = runIn(pod, ['shutdown'], none)
  expect(unkept.status).toBe(2)
  expect(unkept.stderr).toContain('`OWED_NAME` is not set, and was at the boot')
  expect(runIn(pod, ['shutdown', '--set', 'hom=/b'], named).status).toBe(2)
  expect(saves(pod)).toEqual([])

  const right = runIn(pod, ['shutdown'], named)
  expect(right.status, right.stderr).toBe(0)
  expect(right.stderr).toContain('the boot had the secret `STORE_PASSPHRASE`, which is not set now')
  expect(saves(pod)).toEqual([saved])
})

withProcfs('takes --set of today before the values of the boot, and says so', async () => {
  const pod = new Pod(recipe)
  await killed(pod, pod.recipe, atBoot)
  const right = runIn(pod, ['shutdown', '--set', 'home=/b'], { ...named, NETWORK_VOLUME: '/c' })
  expect(right.status, right.stderr).toBe(0)
  expect(right.stderr).toContain('`home` is `/b`, as `--set` says; the boot had `/a`')
  expect(saves(pod)).toEqual(['save /b file:///sA me /a /c'])
})

const otherRecipe = `
name: other
shutdown: [{ id: save, run: '[ ! -e broken ] || exit 1; echo "save other" >> "$LOG"' }]
`

withProcfs(
  'keeps what another recipe left, tells it, and puts it away once, the oldest first',
  async () => {
    const pod = new Pod(recipe)
    pod.write('other.yaml', otherRecipe)
    await killed(pod, pod.recipe, atBoot)
    await killed(pod, pod.recipe, { ...atBoot, NETWORK_VOLUME: '/b' })
    const third = await killed(pod, 'other.yaml', named)
    const told =
      'the shutdown of comfyui (home=/a, store=file:///sA), comfyui (home=/b, store=file:///sA) did not run'
    expect(third.stderr).toContain(`${told}: \`berth shutdown\` after this boot does it`)
    expect(runIn(pod, ['status']).stdout).toContain(
      'comfyui (home=/a, store=file:///sA) was not put away',
    )

    pod.write('broken', '')
    expect(runIn(pod, ['shutdown'], named).status).toBe(1)
    expect(saves(pod)).toEqual([])
    rmSync(join(pod.directory, 'broken'))
    const right = runIn(pod, ['shutdown'], named)
    expect(right.status, right.stderr).toBe(0)
    expect(saves(pod)).toEqual([saved, 'save /b file:///sA me /b /b', 'save other'])
    expect(readdirSync(join(pod.directory, 'state/debts'))).toEqual([])
    expect(runIn(pod, ['shutdown'], named).stdout).toContain('there is nothing to shut down')
  },
)

withProcfs(
  'takes over what the same recipe left on the same disk, also behind another',
  async () => {
    const pod = new Pod(recipe)
    pod.write('other.yaml', otherRecipe)
    await killed(pod, pod.recipe, atBoot)
    expect(runIn(pod, ['boot', 'other.yaml', '--', 'true'], named).status).toBe(0)
    const again = runIn(pod, ['boot', pod.recipe, '--', 'true'], atBoot)
    expect(again.status, again.stderr).toBe(0)
    expect(again.stderr).not.toContain('did not run')
    expect(saves(pod)).toEqual(['save other', saved])
    expect(runIn(pod, ['shutdown'], named).stdout).toContain('there is nothing to shut down')
    expect(existsSync(join(pod.directory, 'state/life.json'))).toBe(false)
  },
)

withProcfs('neither loses nor doubles what is owed, wherever the next boot is killed', async () => {
  await Promise.all(
    [150, 250, 350, 450, 600].map(async (delayMs) => {
      const pod = new Pod(recipe)
      pod.write(
        'other.yaml',
        otherRecipe.replace('shutdown', 'boot: [{ id: b, run: "true" }]\nshutdown'),
      )
      await killed(pod, pod.recipe, atBoot)
      const next = pod.berth(['boot', 'other.yaml', '--', 'sleep', '60'], named)
      await sleep(delayMs)
      next.kill('SIGKILL')
      await next.exited
      const right = pod.berth(['shutdown'], named)
      expect((await right.ended).code, right.stderr).toBe(0)
      expect(saves(pod).filter((line) => line === saved)).toEqual([saved])
      expect(existsSync(join(pod.directory, 'state/life.json'))).toBe(false)
      const again = pod.berth(['shutdown'], named)
      await again.ended
      expect(again.stdout).toContain('there is nothing to shut down')
    }),
  )
})
