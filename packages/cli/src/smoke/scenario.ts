import { spawnSync } from 'node:child_process'
import { BerthError } from '@berth/core/error'

/** What a machine may be like. */
export interface Place {
  name: string
  /** A volume that pods share is there. */
  volume?: true
  /** What tells the platform. */
  env?: Record<string, string>
  /** Runs in mounts of its own, which this script of `sh` changes first. `$GROUND` must stay writable. */
  mounts?: string
}

/** One way in which a container may live. */
export interface Scenario extends Place {
  grace: string
  graceMs: number
  /** Is sent so long after the first. */
  secondTermMs?: number
}

/** One way in which an image may be built. */
export interface BuildScenario extends Place {
  /** On the disk of the one before, where nothing is left to do. */
  again?: true
}

/** What is played, each in its order. */
export interface Scenarios {
  pods: readonly Scenario[]
  builds: readonly BuildScenario[]
}

/** A device that is there and can't be opened: no driver has this number. */
const withoutFuse =
  '[ ! -e /dev/fuse ] || { { [ -e "$GROUND/no-fuse" ] || mknod "$GROUND/no-fuse" c 10 254; } && mount --bind "$GROUND/no-fuse" /dev/fuse; }'

/** Each finds a new pod, and in the store what those before it saved. */
const pods: readonly Scenario[] = [
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
    mounts: withoutFuse,
  },
  {
    name: 'read-only root',
    grace: '10s',
    graceMs: 10_000,
    mounts: 'mount --bind "$GROUND" "$GROUND" && mount -o remount,bind,ro /',
  },
]

/** In a builder there is no volume, and nobody sends SIGTERM; the store stays from one to the next. */
const builds: readonly BuildScenario[] = [
  { name: 'build' },
  { name: 'build again', again: true },
  { name: 'build elsewhere' },
  { name: 'build, no FUSE', mounts: withoutFuse },
]

/** The scenarios that fit a recipe's pipelines: those of these names, or all of them for none. Throws `cli/usage`. */
export function scenariosFor(
  { boot, shutdown, build }: Partial<Record<'boot' | 'shutdown' | 'build', unknown>>,
  names: readonly string[],
): Scenarios {
  const groups = [
    { all: pods, fits: boot !== undefined || shutdown !== undefined, lack: 'boot or to shut down' },
    { all: builds, fits: build !== undefined, lack: 'build' },
  ]
  for (const name of names) {
    const group = groups.find(({ all }) => all.some((scenario) => scenario.name === name))
    if (group?.fits === true) continue
    const known = groups.filter(({ fits }) => fits).flatMap(({ all }) => all)
    const why = group === undefined ? 'is unknown' : `has nothing to ${group.lack} in this recipe`
    throw new BerthError('cli/usage', `the scenario \`${name}\` ${why}`, {
      hint: `use one of ${known.map((scenario) => `\`${scenario.name}\``).join(', ')}`,
    })
  }
  const chosen = <Group extends Place>(all: readonly Group[], fits = true): readonly Group[] =>
    fits ? all.filter(({ name }) => names.length === 0 || names.includes(name)) : []
  return { pods: chosen(pods, groups[0]?.fits), builds: chosen(builds, groups[1]?.fits) }
}

/** Why a scenario can't be played on this machine, found out by trying; `undefined` where it can. */
export function obstacleOf({ mounts }: Place, ground: string): string | undefined {
  if (mounts === undefined) return undefined
  const env = { ...process.env, GROUND: ground }
  const tried = spawnSync('unshare', ['--mount', 'sh', '-c', mounts], { encoding: 'utf8', env })
  if (tried.error !== undefined) return 'there is no `unshare`'
  if (tried.status === 0) return undefined
  const why = tried.stderr.trim().split('\n').at(-1) ?? ''
  return `mounts of its own need root, and a container that may${why === '' ? '' : ` (${why})`}`
}
