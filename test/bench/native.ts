import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { cacheFolder } from './cache.ts'

type NativeName = 'measure' | 'create' | 'link'

/** The path of one of the small C programs in `native/`, compiled when its source is new. Throws an `Error` where there is no `cc`. */
export function compileNative(name: NativeName): string {
  const source = path.join(import.meta.dirname, 'native', `${name}.c`)
  const digest = createHash('sha256').update(fs.readFileSync(source)).digest('hex').slice(0, 12)
  const program = path.join(cacheFolder('native'), `${name}-${digest}`)
  if (fs.existsSync(program)) return program
  const made = `${program}.${process.pid}`
  const result = spawnSync('cc', ['-O2', '-Wall', '-pthread', '-o', made, source], {
    encoding: 'utf8',
  })
  if (result.status !== 0) {
    throw new Error(`could not compile ${source}: ${result.error?.message ?? result.stderr}`)
  }
  fs.renameSync(made, program)
  return program
}
