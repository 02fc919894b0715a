export {
  defaultRoot,
  mountBucket,
  type MountBucketRequest,
  type MountedBucket,
} from './mount-bucket.ts'
export { isSameBucket } from './same-bucket.ts'
export {
  isMounted,
  unmountBucket,
  type UnmountBucketRequest,
  type UnmountedBucket,
} from './unmount-bucket.ts'
export type { LinkStatus } from './mount/link-status.ts'
export { findPlaces } from './mount/places.ts'
export { reviveKeepers } from './mount/revive.ts'
export { readLogs } from './mount/logs.ts'
export { planFolder, planLines } from './steps/dry-run.ts'
export { linkFolder, type LinkContext } from './steps/link.ts'
export { readStatuses, statusLines } from './steps/status.ts'
export { checkLines, readReport } from './preflight/report.ts'
export { endLink, type EndedLink, type UnlinkContext } from './steps/unlink.ts'
