import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requirement } from '@berth/core/testing'
import { expect } from 'vitest'
import { eventually, hasCommand, Pod, type RunningBerth, signalPid1 } from './pod.ts'

const unshare = ['unshare', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc']
const canUnshare = spawnSync('unshare', [...unshare.slice(1), 'true']).status === 0
const needsRoot = 'a PID namespace needs root and util-linux'
const inContainer = requirement('unshare', canUnshare || needsRoot)
const underTini = requirement(
  'tini',
  canUnshare ? hasCommand('tini') || 'tini is not installed' : needsRoot,
)
const asRoot = requirement('root', process.getuid?.() === 0 || 'only root may become somebody else')

const repository = fileURLToPath(new URL('../../../..', import.meta.url))

/**
 * An image that holds sh, five small programs, the libraries and Berth: no bash, no ps, no init, no /tmp, no /etc, and a root that is read-only but for
 * /pod and what `writable` names. It has nothing of /dev but null and its like: no terminal, as in a `RUN`.
 */
const bareImage = `
set -e
root=$1 repository=$2 pod=$3 writable=$4
shift 4
mkdir -p "$root"
mount -t tmpfs tmpfs "$root"
cd "$root"
mkdir -p lib lib64 usr/lib proc dev bin pod ".$repository"
for each in lib lib64 usr/lib; do mount --rbind -o ro "/$each" "$each"; done
mount --bind "$repository" ".$repository"
mount -o remount,bind,ro ".$repository"
mount -t proc proc proc
for each in null zero urandom; do touch "dev/$each"; mount --bind "/dev/$each" "dev/$each"; done
cp "$(readlink -f /bin/sh)" bin/sh
for each in sleep cat id touch mkdir; do cp "$(command -v "$each")" bin; done
mount --bind "$pod" pod
for each in $writable; do mkdir -p ".$each"; mount -t tmpfs tmpfs ".$each"; done
mount -o remount,ro .
chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)
exec env -i PATH=/bin NO_COLOR=1 LOG=/pod/log "$chroot" . "$@"
`

function inBareImage(pod: Pod, args: string[], writable = ''): RunningBerth {
  const root = join(pod.directory, 'root')
  const image = ['sh', '-c', bareImage, 'sh', root, repository, pod.directory, writable]
  return pod.berth(args, {}, [...unshare, ...image])
}

const recipe = `
grace: 12s
boot:
  - { id: plain, run: 'echo plain >> "$LOG"', undo: 'echo undone >> "$LOG"' }
  - { id: stuck, run: 'sleep 60 & wait', timeout: 200ms, optional: true }
build: [{ id: bake, run: 'echo bake >> "$LOG"; ! (exec < /dev/tty) 2> /dev/null' }]
shutdown: [{ id: save, run: 'echo save >> "$LOG"' }]
`

inContainer('works in an image with next to nothing in it, and says what is missing', async () => {
  const pod = new Pod(recipe)
  const run = inBareImage(pod, ['boot', '/pod/recipe.yaml', '--', 'id', '-u'], '/run')
  expect((await run.ended).code, run.stderr).toBe(0)
  expect(run.stdout).toBe('0\n')
  expect(pod.log).toEqual(['plain', 'save', 'undone'])
  expect(run.stderr).toContain('no init (tini, …) was found: zombies will accumulate')
  expect(run.stderr).toContain('bash is not installed: sh runs this')
  expect(run.stderr).toMatch(/stuck +⚠ timeout/)
  expect(run.stderr).not.toContain('\u001B[')
})

inContainer(
  'runs a pipeline in a `RUN` of such an image: no terminal, nothing to type',
  async () => {
    const pod = new Pod(recipe)
    const run = inBareImage(pod, ['run', '/pod/recipe.yaml', 'build'], '/run')
    expect((await run.ended).code, run.stderr).toBe(0)
    expect(pod.log).toEqual(['bake'])
  },
)

inContainer('names every place that it tried where it can write nowhere', async () => {
  const pod = new Pod(recipe)
  const run = inBareImage(pod, ['boot', '/pod/recipe.yaml', '--', 'id'])
  expect((await run.ended).code).toBe(2)
  expect(pod.log).toEqual([])
  expect(run.stderr).toMatch(
    /could not make the state directory `\/run\/berth`: .*; could not make the state directory `\/tmp\/berth-0`: .* cli\/no-state-directory/,
  )
  expect(run.stderr).toContain('--state-dir')
  const told = inBareImage(pod, ['boot', '/pod/recipe.yaml', '--state-dir', '/pod/own', '--', 'id'])
  expect((await told.ended).code, told.stderr).toBe(0)
})

underTini(
  'works under an init that the platform has put there, and leaves no zombies',
  async () => {
    const pod = new Pod(recipe)
    const orphaning = `for i in 1 2 3 4 5 6 7 8 9 10; do sh -c 'sleep 0.2 &'; done; sleep 0.6
cat /proc/[0-9]*/status 2> /dev/null | grep -c '^State:.Z' >> "$LOG"`
    const prefix = [...unshare, 'tini', '--']
    const run = pod.berth(['boot', pod.recipe, '--', 'sh', '-c', orphaning], {}, prefix)
    // What `grep -c` answers for none.
    expect((await run.ended).code, run.stderr).toBe(1)
    expect(pod.log).toEqual(['plain', '0', 'save', 'undone'])
    expect(run.stderr).not.toContain('zombies')
  },
)

underTini(
  'waits, as its container’s first process, for the signal after `berth shutdown`',
  async () => {
    const pod = new Pod(recipe)
    const prefix = unshare
    const command = [
      'boot',
      pod.recipe,
      '--',
      'sh',
      '-c',
      'trap "exit 0" TERM; while :; do sleep 0.05; done',
    ]
    const run = pod.berth(command, {}, prefix)
    await eventually(() => run.stderr.includes('running sh'))
    const asked = pod.berth(['shutdown', '--wait', '--reason', 'preStop'])
    expect((await asked.ended).code, asked.stdout + asked.stderr).toBe(0)
    await eventually(() => run.stderr.includes('waiting for the signal to end'))
    expect(pod.log).toEqual(['plain', 'save', 'undone'])
    expect(run.child.exitCode).toBe(null)
    const again = pod.berth(['shutdown', '--wait', '--json'])
    await again.ended
    expect(JSON.parse(again.stdout)).toMatchObject({ state: 'ended', result: 'ready', exitCode: 0 })
    signalPid1(run, 'SIGTERM')
    expect((await run.ended).code).toBe(0)
    expect(pod.log).toEqual(['plain', 'save', 'undone'])
  },
)

asRoot('works as a user that no file knows, who can write next to nowhere', async () => {
  const pod = new Pod(recipe)
  chmodSync(pod.directory, 0o755)
  chownSync(pod.logFile, 54321, 54321)
  const user = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups']
  const state = join(pod.directory, 'own')
  mkdirSync(state)
  chownSync(state, 54321, 54321)
  const run = pod.berth(['boot', pod.recipe, '--', 'id', '-u'], { BERTH_STATE_DIR: state }, user)
  expect((await run.ended).code, run.stderr).toBe(0)
  expect(run.stdout).toBe('54321\n')
  expect(pod.log).toEqual(['plain', 'save', 'undone'])
})

asRoot('starts no main as another user where it is not root, and says why', async () => {
  const pod = new Pod('main: { command: [id], user: "0" }')
  chmodSync(pod.directory, 0o755)
  const user = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups']
  const state = join(pod.directory, 'own')
  mkdirSync(state)
  chownSync(state, 54321, 54321)
  const run = pod.berth(['boot', pod.recipe], { BERTH_STATE_DIR: state }, user)
  expect((await run.ended).code).toBe(127)
  expect(run.stderr).toContain(
    'could not start main as `0`: this is user 54321, and only root may become another',
  )
})

inContainer('starts main with its home and with all the groups that its user has', async () => {
  const pod = new Pod(
    `main: { command: [sh, -c, 'echo "$(id -u) $(id -G) $HOME"; exit 9'], user: app }`,
  )
  writeFileSync(join(pod.directory, 'passwd'), 'app:x:1234:1235::/srv/app:/bin/sh\n')
  writeFileSync(join(pod.directory, 'group'), 'app:x:1235:\nvideo:x:44:app\nrender:x:105:app\n')
  const files =
    'for each in passwd group; do mount --bind "$PWD/$each" "/etc/$each"; done; exec "$@"'
  const prefix = [...unshare, 'sh', '-c', files, 'sh']
  const run = pod.berth(['boot', pod.recipe], {}, prefix)
  expect((await run.ended).code, run.stderr).toBe(9)
  expect(run.stdout).toBe('1234 1235 44 105 /srv/app\n')
})

asRoot(
  'ends all of another user’s main before it saves, without the right to look into its processes',
  async () => {
    // Which capabilities that needs depends on the kernel; a container's root has not all of them.
    const dropped = '-sys_ptrace,-dac_override,-dac_read_search'
    const prefix = ['setpriv', `--bounding-set=${dropped}`, `--inh-caps=${dropped}`]
    const pod = new Pod(`
grace: 12s
main: { user: "54321" }
shutdown: [{ id: save, run: 'if grep -qs "^State:.[^ZX]" "/proc/$(cat child)/status"; then echo alive; else echo gone; fi >> "$LOG"' }]
`)
    chmodSync(pod.directory, 0o777)
    const child = `trap '' TERM; echo $$ > child; while :; do sleep 0.1; done`
    const script = 'setsid sh -c "$CHILD" & wait'
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      rmSync(join(pod.directory, 'child'), { force: true })
      const run = pod.berth(
        ['boot', pod.recipe, '--', 'sh', '-c', script],
        { CHILD: child },
        prefix,
      )
      await eventually(
        () => existsSync(join(pod.directory, 'child')),
        () => run.stderr,
      )
      run.kill(signal)
      await run.exited
      if (signal === 'SIGKILL')
        expect((await pod.berth(['shutdown'], {}, prefix).ended).code).toBe(0)
    }
    expect(pod.log).toEqual(['gone', 'gone'])
  },
)
