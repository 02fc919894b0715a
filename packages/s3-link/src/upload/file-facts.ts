import type { BigIntStats } from 'node:fs'

/** What changes whenever a file's content does. */
export interface FileFacts {
  size: number
  mtimeNs: string
  ctimeNs: string
  ino: string
}

export function factsOf(status: BigIntStats): FileFacts {
  return {
    size: Number(status.size),
    mtimeNs: `${status.mtimeNs}`,
    ctimeNs: `${status.ctimeNs}`,
    ino: `${status.ino}`,
  }
}

export function areEqual(left: FileFacts, right: FileFacts): boolean {
  return (
    left.size === right.size &&
    left.mtimeNs === right.mtimeNs &&
    left.ctimeNs === right.ctimeNs &&
    left.ino === right.ino
  )
}

/** Seconds with nine decimals: what s3fs and rclone read as an object's time. */
export function mtimeText({ mtimeNs }: FileFacts): string {
  const padded = mtimeNs.padStart(10, '0')
  return `${padded.slice(0, -9)}.${padded.slice(-9)}`
}
