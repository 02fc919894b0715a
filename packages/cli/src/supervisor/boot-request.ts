import type { Health } from '../health/health.ts'
import type { BootEnvironment } from './boot-environment.ts'

/** What the command line asks of a boot. */
export interface BootRequest {
  recipe: string
  set: Record<string, string>
  /** `--grace`, as written. */
  grace: string | undefined
  /** The same; the recipe's is known later. */
  graceMs?: number | undefined
  strict: boolean
  stateDirectory: string
  /** After `--`; overrides the recipe's. */
  command: string[] | undefined
  /** Of all that it starts. */
  env: BootEnvironment
  /** Absolute: where the relative directories of steps start. */
  workingDirectory: string
  /** A platform would start again what ends by itself: after `berth shutdown` the signal is waited for. */
  isFirstProcess: boolean
  /** Who answers how it gets on. */
  health?: Health
}
