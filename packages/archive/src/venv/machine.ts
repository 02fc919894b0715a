import { availableParallelism } from 'node:os'
import { detectPlatform, readCpuQuota } from '@berth/platform'
import type { MachineFacts } from './venv-fingerprint.ts'

// More threads than this only wait for each other in the kernel's directory locks (measured by pnpm: four link faster than eight).
const MAX_WORKERS = 4

/** Threads for the work at hand: the container's CPU quota, not the host's cores. */
export function workerCount(): number {
  const quota = readCpuQuota() ?? availableParallelism()
  return Math.max(1, Math.min(MAX_WORKERS, Math.ceil(quota), availableParallelism()))
}

/** What of this machine decides whether a venv can run on it. */
export async function machineFacts(): Promise<MachineFacts> {
  const { arch, glibc } = await detectPlatform({ env: {} })
  return { architecture: arch, glibc: glibc ?? '' }
}
