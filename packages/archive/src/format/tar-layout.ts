/** The block size of a tar archive (POSIX.1-1988, ustar). */
export const TAR_BLOCK = 512

/** Zero bytes that fill a member's last block. */
export function tarPadding(size: number): number {
  // The remainder of a division of doubles takes ten times as long; the lowest bits are right for any safe integer.
  return -size & (TAR_BLOCK - 1)
}
