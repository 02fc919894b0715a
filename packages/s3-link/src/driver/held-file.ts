/** A file whose bytes a daemon has, and S3 perhaps not. */
export interface HeldFile {
  /** Where its bytes can be read; of a file without a name the descriptor in `/proc`. */
  source: string
  /** Below the mount; undefined where the daemon alone knows. */
  name: string | undefined
  bytes: number
  /** All of it is here, as it was when it was last written to. */
  isWhole: boolean
}
