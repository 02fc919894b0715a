import { createRandom, type Random } from './random.ts'

export interface PlannedFile {
  path: string
  size: number
  kind: 'text' | 'binary'
  mode: number
}

export interface TreePlan {
  /** Parents first. */
  directories: string[]
  files: PlannedFile[]
  links: { path: string; target: string }[]
}

/** Of a real venv with numpy, scipy, pandas, django, botocore, ansible and the like (pip, Python 3.12). */
const VENV = {
  directories: 9_510,
  emptyFiles: 1_200,
  /** Up to 16 KiB. */
  smallFiles: 43_039,
  /** From 16 KiB to 4 MiB. */
  middleFiles: 8_116,
  /** The longest, which hold a third of all bytes. */
  bigMegabytes: [131, 101, 84, 60, 11, 9, 8, 7, 6, 6, 5, 5],
  links: 36,
  packages: 120,
  mostInOne: 1_133,
}

/**
 * Plans a tree with the census of a real venv, or a part of it: `scale` 0.02 is a fiftieth of the files. The same arguments give the
 * same plan.
 */
export function planTree(scale: number, seed = 1): TreePlan {
  const random = createRandom(seed)
  const scaled = (number: number): number => Math.max(1, Math.round(number * scale))
  const directories = planDirectories(random, {
    number: scaled(VENV.directories),
    packages: scaled(VENV.packages),
  })
  const sizes = random.shuffle([
    ...Array.from({ length: scaled(VENV.emptyFiles) }, () => 0),
    ...smallSizes(scaled(VENV.smallFiles - VENV.emptyFiles)),
    ...middleSizes(scaled(VENV.middleFiles)),
  ])
  const crowded = Math.min(scaled(VENV.mostInOne), sizes.length)
  const files = sizes.map((size, index) => {
    // One directory is as full as the fullest of a venv; elsewhere the first ones are fuller than the last.
    const at = index < crowded ? 3 : Math.floor(directories.length * random.next() ** 1.5)
    return planFile(directories[Math.min(at, directories.length - 1)] ?? '', index, size)
  })
  const bigs = VENV.bigMegabytes.slice(0, scaled(VENV.bigMegabytes.length))
  for (const [index, megabytes] of bigs.entries()) {
    const folder = directories[(index * 7) % directories.length] ?? ''
    const size = scale < 1 ? 12e6 : megabytes * 1e6
    files.push({ path: `${folder}/lib${index}.so`, size, kind: 'binary', mode: 0o755 })
  }
  const links = Array.from({ length: scaled(VENV.links) }, (_, index) => ({
    path: `${directories[(index * 31) % directories.length]}/lib${index}.link`,
    target: `module_${index}.py`,
  }))
  return { directories, files, links }
}

function planDirectories(random: Random, wanted: { number: number; packages: number }): string[] {
  const top = ['lib', 'lib/python3.12', 'lib/python3.12/site-packages']
  const packages = Array.from(
    { length: wanted.packages },
    (_, index) => `${top[2]}/package_${index}`,
  )
  const directories = [...top, ...packages]
  while (directories.length < wanted.number) {
    // The first packages grow more than the last, as in a real venv.
    const from = Math.floor((directories.length - top.length) * random.next() ** 2)
    const parent = directories[top.length + from] ?? top[2]
    directories.push(`${parent}/part_${directories.length}`)
  }
  return directories
}

function planFile(folder: string, index: number, size: number): PlannedFile {
  // Half as many compiled files as sources, near enough, and a shared object now and then.
  const ending = index % 100 < 57 ? 'py' : index % 100 < 96 ? 'pyc' : 'so'
  const path = `${folder}/module_${index}.${ending}`
  return { path, size, kind: ending === 'py' ? 'text' : 'binary', mode: 0o644 }
}

/** Spread over the whole range so that their sum does not hang on the seed: the mean is 3.3 KiB, the median 1 KiB. */
function smallSizes(number: number): number[] {
  return steps(number).map((step) => Math.max(1, Math.round(16 * 1024 * step ** 3.8)))
}

/** Each doubling of the size is half as frequent or less: the mean is 72 KB, the median 28 KB. */
function middleSizes(number: number): number[] {
  const longest = 4 * 2 ** 20
  return steps(number).map((step) =>
    Math.min(longest, Math.round(16 * 1024 * (1 - step) ** (-1 / 1.19))),
  )
}

function steps(number: number): number[] {
  return Array.from({ length: number }, (_, index) => (index + 0.5) / number)
}
