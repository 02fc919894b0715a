import type * as copying from './copy.ts'
import type * as leasing from './lease.ts'

// What a boot that only links never calls is loaded by the first call.

export const acquireLease: typeof leasing.acquireLease = async (settings) =>
  (await import('./lease.ts')).acquireLease(settings)

export const copyTree: typeof copying.copyTree = async (settings) =>
  (await import('./copy.ts')).copyTree(settings)
