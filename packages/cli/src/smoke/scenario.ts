import { spawnSync } from 'node:child_process'
import { BerthError } from '@berth/core/error'

/** One way in which a container may live. */
export interface Scenario {
  name: string
  /** A volume that pods share is there. */
  volume?: true
  /** What tells the platform. */
  env?: Record<string, string>
  grace: string
  graceMs: number
  /** Is sent so long after the first. */
  secondTermMs?: number
  /** Runs in mounts of its own, which this script of `sh` changes first. `$GROUND` must stay writable. */
  mounts?: string
}

/** In this order: each finds a new pod, and in the store what those before it saved. */
const scenarios: readonly Scenario[] = [
  { name: 'first boot', grace: '10s', graceMs: 10_000 },
  { name: 'new pod', grace: '10s', graceMs: 10_000 },
  { name: 'shared volume', grace: '10s', graceMs: 10_000, volume: true },
  {
    name: 'RunPod, 5 s grace',
    grace: '5s',
    graceMs: 5000,
    env: { RUNPOD_POD_ID: 'smoke' },
  },
  { name: 'second SIGTERM', grace: '10s', graceMs: 10_000, secondTermMs: 200 },
  {
    name: 'no FUSE',
    grace: '10s',
    graceMs: 10_000,
    // A device that is there and can't be opened: no driver has this number.
    mounts:
      '[ ! -e /dev/fuse ] || { { [ -e "$GROUND/no-fuse" ] || mknod "$GROUND/no-fuse" c 10 254; } && mount --bind "$GROUND/no-fuse" /dev/fuse; }',
  },
  {
    name: 'read-only root',
    grace: '10s',
    graceMs: 10_000,
    mounts: 'mount --bind "$GROUND" "$GROUND" && mount -o remount,bind,ro /',
  },
]

/** The scenarios of these names, in their order; all of them for none. Throws `cli/usage`. */
export function scenariosNamed(names: readonly string[]): readonly Scenario[] {
  const unknown = names.find((name) => scenarios.every((scenario) => scenario.name !== name))
  if (unknown !== undefined) {
    const known = scenarios.map(({ name }) => `\`${name}\``).join(', ')
    throw new BerthError('cli/usage', `the scenario \`${unknown}\` is unknown`, {
      hint: `use one of ${known}`,
    })
  }
  return names.length === 0 ? scenarios : scenarios.filter(({ name }) => names.includes(name))
}

/** Why a scenario can't be played on this machine, found out by trying; `undefined` where it can. */
export function obstacleOf({ mounts }: Scenario, ground: string): string | undefined {
  if (mounts === undefined) return undefined
  const env = { ...process.env, GROUND: ground }
  const tried = spawnSync('unshare', ['--mount', 'sh', '-c', mounts], { encoding: 'utf8', env })
  if (tried.error !== undefined) return 'there is no `unshare`'
  if (tried.status === 0) return undefined
  const why = tried.stderr.trim().split('\n').at(-1) ?? ''
  return `mounts of its own need root, and a container that may${why === '' ? '' : ` (${why})`}`
}
