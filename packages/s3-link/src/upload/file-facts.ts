import type { BigIntStats } from 'node:fs'

/** What changes whenever a file's content does. */
export interface FileFacts {
  size: number
  mtimeNs: string
  ctimeNs: string
  ino: string
  /** When it was made; `0` where the file system does not tell. */
  bornNs: string
}

export function factsOf(status: BigIntStats): FileFacts {
  return {
    size: Number(status.size),
    mtimeNs: `${status.mtimeNs}`,
    ctimeNs: `${status.ctimeNs}`,
    ino: `${status.ino}`,
    bornNs: `${status.birthtimeNs}`,
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

/** Whether both are the same file, whatever is in it: its number alone is given to the next file as soon as it is removed. */
export function isSameFile(left: FileFacts, right: FileFacts): boolean {
  return left.ino === right.ino && left.bornNs === right.bornNs && left.bornNs !== '0'
}

/** Seconds with nine decimals: what s3fs and rclone read as an object's time. */
export function mtimeText({ mtimeNs }: FileFacts): string {
  const padded = mtimeNs.padStart(10, '0')
  return `${padded.slice(0, -9)}.${padded.slice(-9)}`
}
