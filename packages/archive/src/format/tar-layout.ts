/** The block size of a tar archive (POSIX.1-1988, ustar). */
export const TAR_BLOCK = 512

/** Zero bytes that fill a member's last block. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK
}
