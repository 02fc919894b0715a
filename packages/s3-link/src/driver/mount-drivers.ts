import type { MountDriver } from './driver.ts'
import { rclone } from './rclone.ts'
import { s3fs } from './s3fs.ts'

/** The drivers that mount, by name. */
export const mountDrivers: Record<MountDriver['name'], MountDriver> = { s3fs, rclone }
