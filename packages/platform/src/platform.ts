import { closeSync, constants, existsSync, openSync, readdirSync } from 'node:fs'
import { availableParallelism, hostname, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'
import { readCpuQuota, readMemoryLimit } from './cgroup.ts'
import { readText } from './read.ts'

export type PlatformName =
  | 'runpod'
  | 'vast'
  | 'kubernetes'
  | 'lightning'
  | 'slurm'
  | 'slurm-login'
  | 'macos'
  | 'linux'

export interface PlatformFacts {
  name: PlatformName
  /** A GPU's device file is there. Whether the driver answers is not asked. */
  gpu: boolean
  container: boolean
  /** What may run at once, at least 1: the least of affinity and quota, the quota rounded up. */
  cpus: number
  /** Undefined without a limit of the container's own. */
  memoryLimitBytes: number | undefined
  /** The machine's whole memory. */
  memoryBytes: number
  /** As Node names it: `x64`, `arm64`. */
  arch: string
  /** `2.39`; undefined with another C library (musl, macOS). Found out when it is read, which takes longer than all the rest. */
  readonly glibc: string | undefined
  /** /dev/fuse can be opened. A mount may still be refused. */
  fuse: boolean
  /** This process is the container's init. */
  isInit: boolean
  /** How long the platform waits between SIGTERM and SIGKILL unless told otherwise. Vast pauses an interruptible instance without a notice. */
  graceMs: number
  /** What tells this pod from others: the platform's own id, else the host name. */
  pod: string
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Says which platform this is and what it allows, in a few milliseconds: environment variables and a few small files, no command is
 * run, nothing throws. `root` is where /proc, /sys, /dev and /etc are looked for.
 */
export async function detectPlatform({
  env,
  root = '/',
}: {
  env: Environment
  root?: string
}): Promise<PlatformFacts> {
  const name = platformName(env, root)
  let glibc: { version: string | undefined } | undefined
  return {
    name,
    gpu: names(join(root, 'dev')).some((device) => /^(nvidia\d+|kfd|dxg)$/.test(device)),
    container: isContainer(env, root, name),
    cpus: Math.max(1, Math.min(availableParallelism(), Math.ceil(readCpuQuota(root) ?? Infinity))),
    memoryLimitBytes: readMemoryLimit(root),
    memoryBytes: totalmem(),
    arch: process.arch,
    get glibc() {
      glibc ??= { version: glibcVersion() }
      return glibc.version
    },
    fuse: opens(join(root, 'dev/fuse')),
    isInit: process.pid === 1,
    graceMs: graceMs[name] ?? DEFAULT_GRACE_MS,
    pod: podName(env),
  }
}

// docker stop: https://docs.docker.com/reference/cli/docker/container/stop/ . Where nobody promises anything, no more is assumed.
const DEFAULT_GRACE_MS = 10_000

const graceMs: Partial<Record<PlatformName, number>> = {
  // Spot pods: 5 s between SIGTERM and SIGKILL (docs.runpod.io/faq, an older copy; no newer page says another number).
  runpod: 5_000,
  // terminationGracePeriodSeconds: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
  kubernetes: 30_000,
  // KillWait: https://slurm.schedmd.com/slurm.conf.html
  slurm: 30_000,
}

function platformName(env: Environment, root: string): PlatformName {
  const has = (...variables: string[]) => variables.some((variable) => Boolean(env[variable]))
  // The renters' own names come first: they run on Kubernetes or SLURM too, and their rules are the stricter ones.
  if (has('RUNPOD_POD_ID')) return 'runpod'
  if (has('VAST_CONTAINERLABEL') || /^C\.\d+$/.test(env['CONTAINER_LABEL'] ?? '')) return 'vast'
  const lightning = ['HOST', 'PROJECT_ID'].map((part) => `LIGHTNING_CLOUDSPACE_${part}`)
  if (
    has(...lightning, 'LIGHTNING_CLOUD_PROJECT_ID', 'LIGHTNING_CLUSTER_ID', 'LIGHTNING_CLOUD_URL')
  ) {
    return 'lightning'
  }
  if (existsSync(join(root, 'teamspace'))) return 'lightning'
  if (has('SLURM_JOB_ID')) return 'slurm'
  if (has('KUBERNETES_SERVICE_HOST')) return 'kubernetes'
  if (process.platform === 'darwin') return 'macos'
  const path = (env['PATH'] ?? '').split(delimiter).filter(Boolean)
  return path.some((directory) => existsSync(join(directory, 'squeue'))) ? 'slurm-login' : 'linux'
}

function isContainer(env: Environment, root: string, name: PlatformName): boolean {
  if (['runpod', 'vast', 'kubernetes'].includes(name) || env['container']) return true
  const files = ['.dockerenv', 'run/.containerenv', '.singularity.d']
  if (files.some((file) => existsSync(join(root, file)))) return true
  const groups = readText(join(root, 'proc/1/cgroup')) ?? ''
  return /docker|kubepods|containerd|libpod|lxc|garden/.test(groups)
}

function podName(env: Environment): string {
  const variables = ['RUNPOD_POD_ID', 'VAST_CONTAINERLABEL', 'POD_NAME', 'SLURM_JOB_ID', 'HOSTNAME']
  return variables.map((variable) => env[variable]).find(Boolean) ?? hostname()
}

function glibcVersion(): string | undefined {
  // Only its header is wanted; the network part would look up names of open connections. Missing in the type declarations.
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report
  const before = report.excludeNetwork ?? false
  report.excludeNetwork = true
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  report.excludeNetwork = before
  return header?.glibcVersionRuntime
}

function opens(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDWR))
    return true
  } catch {
    return false
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
