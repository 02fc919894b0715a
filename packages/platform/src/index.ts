export { detectPlatform } from './platform.ts'
export type { PlatformFacts, PlatformName } from './platform.ts'
export { readCpuQuota, readMemoryLimit } from './cgroup.ts'
