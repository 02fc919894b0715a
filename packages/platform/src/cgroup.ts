import { join } from 'node:path'
import { firstNumber, readText } from './read.ts'

// A limit above this is no limit: cgroup v1 says 2^63 rounded down to a page.
const NO_LIMIT_BYTES = 2 ** 60

/**
 * How many CPUs' worth of time the container may use, as a fraction, or undefined without a quota. The narrowest quota of the own
 * cgroup and its ancestors counts: `cpu.max` of cgroup v2, `cpu.cfs_quota_us` of v1. Cgroup namespaces show the own group as `/`.
 */
export function readCpuQuota(root = '/'): number | undefined {
  const v2 = directories(root, '', '').map((directory) => {
    const [quota, period] = (readText(join(directory, 'cpu.max')) ?? '').split(' ')
    return share(quota, period)
  })
  const v1 = directories(root, 'cpu', 'cpu').map((directory) =>
    share(
      readText(join(directory, 'cpu.cfs_quota_us')),
      readText(join(directory, 'cpu.cfs_period_us')),
    ),
  )
  return least([...v2, ...v1])
}

/** The memory that the container may use, in bytes, or undefined without a limit. */
export function readMemoryLimit(root = '/'): number | undefined {
  const v2 = directories(root, '', '').map((directory) => readText(join(directory, 'memory.max')))
  const v1 = directories(root, 'memory', 'memory').map((directory) =>
    readText(join(directory, 'memory.limit_in_bytes')),
  )
  const limit = least([...v2, ...v1].map((text) => firstNumber(text)))
  return limit !== undefined && limit < NO_LIMIT_BYTES ? limit : undefined
}

/** The own cgroup's directory and its ancestors up to the mount. An empty controller means cgroup v2. */
function directories(root: string, controller: string, mount: string): string[] {
  const base = join(root, 'sys/fs/cgroup', mount)
  const lines = (readText(join(root, 'proc/self/cgroup')) ?? '').split('\n')
  const own = lines
    .map((line) => line.split(':'))
    .find((fields) => fields[1]?.split(',').includes(controller))
  const parts = (own?.slice(2).join(':') ?? '/')
    .split('/')
    .filter((part) => part !== '' && part !== '..')
  return [base, ...parts.map((_, index) => join(base, ...parts.slice(0, index + 1)))]
}

function share(quota: string | undefined, period: string | undefined): number | undefined {
  const [quotaUs, periodUs] = [firstNumber(quota), firstNumber(period)]
  return quotaUs === undefined || periodUs === undefined ? undefined : quotaUs / periodUs
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}
