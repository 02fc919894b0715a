import { randomFillSync } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { root } from '../workspace.ts'

const GIGABYTE = 1e9
const NEEDED_BYTES = 8 * GIGABYTE

/** Where some gigabytes can be written fastest: memory where there is enough of it, else the disk. */
export function roomiestParent(): string {
  try {
    const { bavail, bsize } = fs.statfsSync('/dev/shm')
    if (bavail * bsize > NEEDED_BYTES && os.freemem() > NEEDED_BYTES) return '/dev/shm'
  } catch {
    // There is none.
  }
  return os.tmpdir()
}

/** 1 GB that nothing can compress, as images and models are: 24 files. */
export function writeRandomGigabyte(directory: string): void {
  fs.mkdirSync(directory, { recursive: true })
  const bytes = Buffer.alloc(GIGABYTE / 24 - ((GIGABYTE / 24) % 1))
  for (let index = 0; index < 24; index += 1) {
    fs.writeFileSync(path.join(directory, `image-${index}.bin`), randomFillSync(bytes))
  }
}

/** 1 GB as apps write it: half of it a model, a third libraries, and thousands of small files of text. No two are alike. */
export function writeMixedGigabyte(directory: string): void {
  const model = randomFillSync(Buffer.alloc(GIGABYTE / 2))
  fs.mkdirSync(path.join(directory, 'models'), { recursive: true })
  fs.writeFileSync(path.join(directory, 'models/model.safetensors'), model)
  const libraries = fs.readFileSync(process.execPath)
  writeCuts({ directory: `${directory}/lib`, pool: libraries, total: GIGABYTE / 3, longest: 12e6 })
  const texts = readTexts(48e6)
  writeCuts({ directory: `${directory}/src`, pool: texts, total: GIGABYTE / 6, longest: 60e3 })
}

interface Cuts {
  directory: string
  pool: Buffer
  total: number
  longest: number
}

function writeCuts({ directory, pool, total, longest }: Cuts): void {
  for (let written = 0, index = 0; written < total; index += 1) {
    const folder = path.join(directory, `part-${Math.floor(index / 200)}`)
    if (index % 200 === 0) fs.mkdirSync(folder, { recursive: true })
    const length = Math.ceil(longest * Math.random() ** 2)
    const start = Math.floor((pool.length - length) * Math.random())
    fs.writeFileSync(path.join(folder, `file-${index}`), pool.subarray(start, start + length))
    written += length
  }
}

/** What is at hand wherever this runs: the sources of our own dependencies. */
function readTexts(bytes: number): Buffer {
  const found: Buffer[] = []
  let size = 0
  for (const name of fs.globSync('node_modules/*/**/*.{js,ts,mjs,json,md}', { cwd: root })) {
    if (size >= bytes) break
    const file = path.join(root, name)
    if (!fs.statSync(file).isFile()) continue
    size += found[found.push(fs.readFileSync(file)) - 1]?.length ?? 0
  }
  return Buffer.concat(found)
}
