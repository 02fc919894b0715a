import type { DriverName, Pending } from '../driver/driver.ts'
import type { Colour, MountState, SafeToStop } from './mount-state.ts'

/** One mount and its links as a document, as `berth mounts --json` and the step `s3-link/status` give it. */
export interface LinkStatus {
  version: 1
  key: string
  driver: DriverName
  state: MountState
  colour: Colour
  /** Why it is not green, and what to do next. */
  reason: StatusReason | null
  /** What has happened and needs a look, whatever the colour is by now. */
  warnings: StatusReason[]
  /** Milliseconds since the epoch, as all times here. */
  since: number
  updatedAt: number
  /** Without keys. */
  store: string
  /** The last four characters of the access key and a hash of it: which key, and not the key. */
  accessKey: string
  mountPoint: string
  links: { path: string; user: string; leadsTo: 'mount' | 'spool' | 'folder' | 'elsewhere' }[]
  pending: Pending
  safeToStop: SafeToStop
  lastCanary: { at: number; ms: number } | null
  restarts: number
}

export interface StatusReason {
  code: string
  message: string
  hint: string
}
