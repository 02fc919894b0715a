import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'

/** Fills a folder with files of random bytes, which nothing can make smaller, in folders of a hundred. */
export function makeFiles(folder: string, count: number, sizeBytes: number): void {
  for (let n = 0; n < count; n += 1) {
    const within = path.join(folder, `set-${Math.floor(n / 100)}`)
    fs.mkdirSync(within, { recursive: true })
    fs.writeFileSync(
      path.join(within, `file_${`${n}`.padStart(5, '0')}_.bin`),
      randomBytes(sizeBytes),
    )
  }
}

/** Of the files below a folder those that are not in another one with the same bytes. */
export function missingFrom(folder: string, other: string): string[] {
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => {
    const from = path.join(folder, name)
    if (!fs.statSync(from).isFile()) return false
    const to = path.join(other, name)
    return !fs.existsSync(to) || !fs.readFileSync(to).equals(fs.readFileSync(from))
  })
}
