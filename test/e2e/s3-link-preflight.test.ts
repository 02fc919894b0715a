import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { mayMount, requirement } from '@berth/core/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { type LinkingPod, mayLink, startLinkingPod } from './linking.ts'
import { root as checkout } from '../workspace.ts'

const may = mayLink('s3fs')
const mount = may === true ? mayMount() : may
const lanes = {
  mount: requirement('mount', mount),
  python: requirement('python', hasPython()),
  s3fs: requirement('s3fs', may),
}

let pod: LinkingPod

beforeAll(async () => {
  if (may === true) pod = await startLinkingPod()
})

afterAll(async () => {
  if (may === true) await pod.end()
})

interface Scene {
  lane: keyof typeof lanes
  /** A command that runs another in such a place. */
  within?: readonly string[]
  env?: Record<string, string>
  /** By the name of the check. */
  codes: Record<string, string>
  why: string
}

const filter = path.join(import.meta.dirname, 'preflight/without-mounts.py')
// A process of root that has no capability, though it could get some from a file.
const asUser = [
  'setpriv',
  '--securebits',
  '+noroot',
  '--inh-caps',
  '-all',
  '--ambient-caps',
  '-all',
]

const scenes: Record<string, Scene> = {
  'without /dev/fuse': {
    lane: 'mount',
    within: devices(':'),
    codes: { mounting: 's3-link/fuse-no-device' },
    why: 'this container has no /dev/fuse',
  },
  'with a device that has no driver': {
    lane: 'mount',
    within: devices('mknod $d/fuse c 10 254'),
    codes: { mounting: 's3-link/fuse-no-module' },
    why: 'the kernel of this machine has no FUSE',
  },
  'with a device that may not be opened': {
    lane: 'mount',
    within: devices('mknod -m 600 $d/fuse c 10 229 && mount -o remount,nodev $d'),
    codes: { mounting: 's3-link/fuse-not-permitted' },
    why: 'this user may not open /dev/fuse',
  },
  'without the capability': {
    lane: 'mount',
    within: ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin'],
    codes: { mounting: 's3-link/fuse-no-capability' },
    why: 'this container lacks CAP_SYS_ADMIN',
  },
  'where nobody gains privileges': {
    lane: 'mount',
    within: [...asUser, '--no-new-privs'],
    codes: { mounting: 's3-link/fuse-no-new-privileges' },
    why: 'the helper that mounts may not gain privileges',
  },
  'where seccomp filters mounts': {
    lane: 'python',
    within: ['python3', filter],
    codes: { mounting: 's3-link/fuse-seccomp' },
    why: 'the system calls that mount are filtered',
  },
  'without s3fs and rclone in PATH': {
    lane: 's3fs',
    env: { PATH: '/nowhere' },
    codes: { s3fs: 's3-link/no-driver', rclone: 's3-link/no-driver' },
    why: 's3fs is not installed',
  },
  'without the helper of a user': {
    lane: 'mount',
    within: [...hidden('fusermount3'), ...asUser],
    codes: { s3fs: 's3-link/fuse-no-helper', rclone: 's3-link/fuse-no-helper' },
    why: 'which s3fs mounts with',
  },
}

for (const [title, { lane, within, env, codes, why }] of Object.entries(scenes)) {
  const how = { ...(within && { within }), ...(env && { env }) }

  lanes[lane](`${title}, watching is chosen, and it is said why`, () => {
    const { berth, url, root } = pod
    const told = berth(['doctor', root, '--store', url, '--json'], how)
    const { driver, checks, ok } = JSON.parse(told.stdout) as Told
    expect({ driver, ok, code: told.code }).toEqual({ driver: 'watch', ok: true, code: 0 })
    const found = checks.filter(({ code }) => code?.startsWith('s3-link/'))
    expect(Object.fromEntries(found.map(({ name, code }) => [name, code]))).toEqual(codes)
    expect(found[0]?.said).toContain(why)
    for (const { hint } of found) expect(hint).toMatch(/./)
  })

  lanes[lane](`${title}, wrong keys are an error all the same, and so is a driver by name`, () => {
    const { berth, url, root } = pod
    const wrong = berth(['link', root, '--store', url], {
      ...how,
      env: { ...how.env, AWS_SECRET_ACCESS_KEY: 'wrong' },
    })
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain(why)
    expect(wrong.stderr).toContain('object-store/bad-credentials')
    const named = berth(['link', root, '--store', url, '--driver', 's3fs'], how)
    expect(named.code).toBe(1)
    expect(named.stderr).toContain(Object.values(codes)[0])
    expect(fs.existsSync(path.join(root, 'output'))).toBe(false)
    expect(berth(['mounts']).stdout).toContain('nothing is mounted or watched now')
  })
}

lanes.s3fs('what only a daemon finds out of this machine leads to watching too', () => {
  const { berth, url, root } = pod
  const folder = path.join(root, 'programs')
  fs.mkdirSync(folder)
  const lines = [
    '#!/bin/sh',
    '[ "$1" = --version ] && echo "Amazon Simple Storage Service File System V1.97" && exit',
    'echo "fuse: mount failed: Operation not permitted" >&2; exit 1',
  ]
  fs.writeFileSync(path.join(folder, 's3fs'), lines.join('\n'), { mode: 0o755 })
  const env = { PATH: folder }
  const linked = berth(['link', root, '--store', url], { env })
  expect(linked.stderr).toContain('the system refused the mount; the folder is watched instead')
  expect(linked.stdout).toContain('by watch')
  expect(linked.code).toBe(0)
  const named = berth(['link', root, '--folder', 'other', '--store', url, '--driver', 's3fs'], {
    env,
  })
  expect(named.stderr).toContain('s3-link/fuse-no-mount')
  expect(named.code).toBe(1)
  expect(berth(['unlink', root]).code).toBe(0)
  fs.rmdirSync(path.join(root, 'output'))
})

for (const driver of ['s3fs', 'rclone'] as const) {
  lanes.mount(`a user who is not root mounts with ${driver}, through the helper`, async () => {
    const { berth, url, root, store } = pod
    const nobody = 65534
    const own = path.join(root, `user-${driver}`)
    fs.mkdirSync(own)
    fs.chownSync(own, nobody, nobody)
    fs.chmodSync(root, 0o755)
    const within = [
      ...devices('mknod -m 666 $d/fuse c 10 229'),
      'setpriv',
      '--reuid',
      `${nobody}`,
      '--regid',
      `${nobody}`,
      '--clear-groups',
    ]
    const env = { BERTH_LINK_DIR: path.join(own, 'link') }
    const app = 'set -e; berth=$1 work=$2 url=$3 driver=$4\n'
    const lines = [
      '"$berth" link "$work" --store "$url" --driver "$driver"',
      'echo a picture > "$work/output/$driver.png"',
      '"$berth" mounts --wait 20s',
      '"$berth" unlink "$work"',
    ]
    const program = path.join(checkout, 'packages', 'cli', 'bin', 'berth')
    const [first = '', ...rest] = [...within, 'sh', '-c', app + lines.join('\n'), 'sh']
    const end = spawnSync(first, [...rest, program, own, url, driver], {
      env: { ...pod.env, ...env },
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect(end.status, end.stderr).toBe(0)
    expect(end.stdout).toContain(`is active with ${driver}`)
    expect((await store.get(`output/${driver}.png`))?.toString()).toBe('a picture\n')
    const others = berth(['link', own, '--store', url, '--option', 'allow-other'], { within, env })
    expect(others.stderr).toContain('only root may let other users look into a mount')
    expect(berth(['unlink', own], { env }).code).toBe(0)
  })
}

interface Told {
  ok: boolean
  driver: string
  checks: { name: string; code?: string; said: string; hint?: string }[]
}

/** A /dev of its own, with everything but /dev/fuse, which the shell's line may make in `$d`. */
function devices(line: string): string[] {
  return [
    'unshare',
    '-m',
    'sh',
    '-c',
    `d=$HOME/dev && mkdir -p $d && mount -t tmpfs none $d && for n in null zero full random urandom tty; do : > $d/$n && mount --bind /dev/$n $d/$n; done &&
     mkdir $d/shm && mount --bind /dev/shm $d/shm && ln -s /proc/self/fd $d/fd && ${line} && mount --move $d /dev && exec "$@"`,
    'sh',
  ]
}

/** Programs that are there, and can't be run. */
function hidden(...names: string[]): string[] {
  const lines = names.map((name) => `mount --bind $HOME/none $(readlink -f /usr/bin/${name})`)
  return ['unshare', '-m', 'sh', '-c', `: > $HOME/none && ${lines.join(' && ')} && exec "$@"`, 'sh']
}

function hasPython(): true | string {
  if (mount !== true) return mount
  const { error } = spawnSync('python3', ['--version'], { stdio: 'ignore' })
  return error === undefined ? true : 'it is not installed'
}
