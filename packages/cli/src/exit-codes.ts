import { constants } from 'node:os'

/** What the command's exit codes mean; an end by signal n is 128+n. */
export const exitCodes = {
  /** The state is right. */
  right: 0,
  /** A step failed. */
  failed: 1,
  /** The recipe or the command line is wrong; nothing ran. */
  usage: 2,
  /** Only optional steps failed, and `--strict` was given. */
  degraded: 3,
} as const

/** The exit code of something that a signal ended: 128 plus the signal's number. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}
