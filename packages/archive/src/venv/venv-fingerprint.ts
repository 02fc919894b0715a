/** What a venv needs of a machine, recorded with a snapshot. */
export interface VenvFingerprint {
  /** Where it lies in the tree; `''` when the tree is the venv. */
  path: string
  /** `3.11` */
  python: string
  /** `cpython-311-x86_64-linux-gnu`: what compiled extension modules are built for. */
  soabi: string
  /** Node's name: `x64`, `arm64`. */
  architecture: string
  /** `2.36`; empty where the C library isn't glibc. */
  glibc: string
  /** The absolute directory that it was saved from. */
  prefix: string
  /** All that its files may name as the place where they are: it was moved, or is known by several names. */
  prefixes?: string[]
  /** Where it believes to be, as its `activate` says, when that is none of these. */
  named?: string
  /** The directory of the Python that it was made with; empty when that lies in the tree itself. */
  home: string
}

export interface MachineFacts {
  architecture: string
  glibc: string
}

/** Why this venv can't run here as far as names and versions tell, or `undefined`. The interpreter itself is asked by the caller. */
export function misfit(venv: VenvFingerprint, machine: MachineFacts): string | undefined {
  if (venv.architecture !== machine.architecture) {
    return `it was saved on ${venv.architecture}, this machine is ${machine.architecture}`
  }
  if (venv.glibc !== '' && machine.glibc !== '' && compareVersions(venv.glibc, machine.glibc) > 0) {
    return `it needs glibc ${venv.glibc}, this machine has ${machine.glibc}`
  }
  return undefined
}

/** Negative, zero or positive, comparing dotted numbers. */
function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number)
  const right = b.split('.').map(Number)
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
