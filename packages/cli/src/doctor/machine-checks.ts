import { detectPlatform, type PlatformFacts } from '@berth/platform'
import { formatBytes, formatCount, formatDuration } from '../reporters/format.ts'
import { type Check, ok, told, warning } from './check.ts'
import { initCheck, stateCheck } from './life-checks.ts'
import { clockCheck, limitCheck, pythonCheck, shellCheck } from './program-checks.ts'
import { roomCheck, sharedMemoryCheck, workspaceCheck } from './room-checks.ts'

export interface MachineQuestion {
  env: NodeJS.ProcessEnv
  /** Where the app's data lies. */
  workspace: string
  stateDirectory: string | undefined
  /** Where /proc, /dev and /etc are looked for. */
  root?: string
}

/** Asks this machine everything that a boot depends on, and changes nothing on it. Never throws. */
export async function checkMachine(question: MachineQuestion): Promise<Check[]> {
  const { env, workspace, stateDirectory, root = '/' } = question
  const platform = await detectPlatform({ env, root })
  return [
    platformCheck(platform),
    graceCheck(platform),
    initCheck(platform, root),
    stateCheck(stateDirectory, env),
    workspaceCheck('disk', workspace),
    roomCheck('temporary', env.TMPDIR || '/tmp'),
    sharedMemoryCheck(root),
    limitCheck(root),
    shellCheck(env),
    await pythonCheck(env),
    clockCheck(Date.now()),
  ]
}

function platformCheck(facts: PlatformFacts): Check {
  const { name, pod, container, cpus, memoryLimitBytes, memoryBytes, gpu } = facts
  const memory = formatBytes(memoryLimitBytes ?? memoryBytes)
  const parts = [
    `${name}${container ? ', in a container' : ''}, as \`${pod}\``,
    `${formatCount(cpus)} CPU${cpus === 1 ? '' : 's'}, ${memory} memory`,
    gpu ? 'with a GPU' : 'no GPU',
  ]
  return told('platform', parts.join('; '))
}

/** What comes in less is lost by whoever saves everything at the end. */
const shortGraceMs = 10_000

function graceCheck({ graceMs, name }: PlatformFacts): Check {
  const said = `${name} gives ${formatDuration(graceMs)} between SIGTERM and SIGKILL`
  if (graceMs >= shortGraceMs) return ok('grace', said)
  const hint =
    'save while the app runs: give the save step `every: 2m`; and see `berth smoke RECIPE`'
  return warning('grace', said, hint)
}
