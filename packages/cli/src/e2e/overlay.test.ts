import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requirement } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { eventually, hasCommand, Pod, runIn } from './pod.ts'

const withFuse = requirement('rclone', hasCommand('rclone') ? mayOpenFuse() : 'it is not installed')

function mayOpenFuse(): true | string {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return process.getuid?.() === 0 || 'this user may not mount'
  } catch {
    return '/dev/fuse may not be opened'
  }
}

const image = `
extends: base.yaml
overlay: \${{ vars.volume }}/overlay.yaml
vars: { volume: { env: VOLUME, default: . }, word: { required: true } }
shutdown: [{ id: save, run: 'echo "save \${{ vars.word }}" >> "$LOG"' }]
`
const base = `
boot: [{ id: one, run: 'echo one >> "$LOG"' }]
`
const overlay = `
vars: { word: { default: good } }
boot: [{ id: two, run: 'echo two >> "$LOG"', before: one }]
`

function podWith(files: Record<string, string>): Pod {
  const pod = new Pod(image)
  for (const [name, text] of Object.entries({ 'base.yaml': base, ...files })) pod.write(name, text)
  return pod
}

test('a pod lives with its overlay to the end, whatever is made of the files meanwhile', () => {
  const pod = podWith({ 'overlay.yaml': overlay })
  const spoil = 'for file in recipe base overlay; do echo "{{{" > $file.yaml; done'
  const { status, stderr } = runIn(pod, ['boot', 'recipe.yaml', '--', 'sh', '-c', spoil])
  expect({ status, log: pod.log }, stderr).toEqual({ status: 0, log: ['two', 'one', 'save good'] })
})

test('a broken overlay is left out aloud, and the pod is degraded', () => {
  const pod = podWith({ 'mine.yaml': 'boot: [{ id: one, rnu: x }]\nvars: { word: 5 }\n' })
  const args = ['boot', 'recipe.yaml', '--set', 'word=w', '--overlay', 'mine.yaml', '--strict']
  const { status, stderr } = runIn(pod, [...args, '--', 'true'])
  expect(pod.log).toEqual(['one', 'save w'])
  expect(stderr).toMatch(/could not use the overlay `.*mine.yaml`: the pod goes on without it/)
  expect(stderr).toContain('a step has no key `rnu`')
  expect(stderr).toContain('mine.yaml:1:19')
  expect(status, stderr).toBe(3)
})

test('an overlay that makes values wrong is left out too, where its text alone is right', () => {
  const text = 'secrets: []\nboot: [{ id: two, run: a }]\nvars: { more: { required: true } }\n'
  const pod = podWith({ 'mine.yaml': text })
  const set = ['--set', 'word=w']
  const { status, stderr } = runIn(pod, ['run', 'recipe.yaml', 'boot', ...set], {
    BERTH_OVERLAY: 'mine.yaml',
  })
  expect({ status, log: pod.log }, stderr).toEqual({ status: 0, log: ['one'] })
  expect(stderr).toContain('cli/broken-overlay')
  expect(stderr).toContain('the variable `more` is required')
  const plan = runIn(pod, ['plan', 'recipe.yaml', '--overlay', 'mine.yaml', ...set])
  expect(plan.status).toBe(2)
  expect(plan.stderr).toContain('recipe/missing-variable')
})

withFuse(
  'a volume whose server hangs holds no boot: its overlay is left out, and the reason said',
  async () => {
    const pod = podWith({})
    const [real, volume] = [join(pod.directory, 'real'), join(pod.directory, 'volume')]
    mkdirSync(real)
    mkdirSync(volume)
    writeFileSync(join(real, 'overlay.yaml'), overlay)
    const config = { RCLONE_CONFIG: join(pod.directory, 'rclone.conf') }
    writeFileSync(config.RCLONE_CONFIG, '')
    const server = spawn('rclone', ['mount', real, volume], { env: { ...process.env, ...config } })
    onTestFinished(() => {
      server.kill('SIGKILL')
      spawnSync('umount', ['--lazy', volume])
    })
    const mounted = (): boolean => readFileSync('/proc/self/mountinfo', 'utf8').includes(volume)
    await eventually(mounted, () => 'no mount', 60_000)
    const args = ['recipe.yaml', '--set', 'word=w', '--set', `volume=${volume}`]
    const well = runIn(pod, ['boot', ...args, '--strict', '--', 'true'])
    expect(well, well.stderr).toMatchObject({ status: 0 })
    expect(pod.log).toEqual(['two', 'one', 'save w'])
    server.kill('SIGSTOP')
    const hung = runIn(pod, ['boot', ...args, '--strict', '--', 'true'])
    expect(hung, hung.stderr).toMatchObject({ status: 3 })
    expect(hung.stderr).toContain('the pod goes on without it')
    expect(hung.stderr).toContain(`\`${volume}\` did not answer within 5 s`)
    expect(hung.stderr).toContain('bring its volume back, then start the pod again')
    expect(pod.log.slice(3)).toEqual(['one', 'save w'])
    const plan = runIn(pod, ['plan', ...args])
    expect(plan.stderr).toContain('filesystem/no-answer')
    expect(plan.status).toBe(1)
    const named = join(volume, 'overlay.yaml')
    const checked = runIn(pod, ['validate', 'recipe.yaml', '--overlay', named])
    expect(checked.stderr).toContain('filesystem/no-answer')
    expect(checked.status).toBe(1)
    server.kill('SIGCONT')
  },
  120_000,
)

test('validation knows of an overlay by its option only', () => {
  const pod = podWith({ 'mine.yaml': 'boot: [{ id: one, rnu: x }]\n' })
  const env = { BERTH_OVERLAY: 'mine.yaml' }
  expect(runIn(pod, ['validate', 'recipe.yaml'], env).status).toBe(0)
  const args = ['validate', 'recipe.yaml', '--overlay', 'mine.yaml', '--format', 'gitlab']
  const { status, stdout } = runIn(pod, args)
  expect(status).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject([
    { check_name: 'recipe/unknown-key', location: { path: 'mine.yaml', lines: { begin: 1 } } },
  ])
  const none = runIn(pod, ['validate', 'recipe.yaml', '--overlay', 'none.yaml'])
  expect(none).toMatchObject({ status: 2, stdout: '' })
  expect(none.stderr).toContain('there is no overlay `none.yaml`')
})

test('a plan explains where every value comes from', () => {
  const pod = podWith({ 'overlay.yaml': overlay })
  const { stdout, stderr } = runIn(pod, ['plan', 'recipe.yaml', 'boot', '--explain'], {
    VOLUME: '.',
  })
  expect(stdout.slice(stdout.indexOf('values')), stderr).toBe(`values
  vars.volume          the environment variable VOLUME overrides recipe.yaml:4:9
  boot.two.id          overlay.yaml:3:14
  boot.two.run         overlay.yaml:3:24
  boot.one.id          base.yaml:2:14
  boot.one.run         base.yaml:2:24
  extends              recipe.yaml:2:10
  overlay              recipe.yaml:3:10
  vars.volume.env      recipe.yaml:4:24
  vars.volume.default  recipe.yaml:4:41
  vars.word.required   recipe.yaml:4:64
  vars.word.default    overlay.yaml:2:26
  shutdown.save.id     recipe.yaml:5:18
  shutdown.save.run    recipe.yaml:5:29
`)
})
