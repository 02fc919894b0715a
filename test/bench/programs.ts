import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { cacheFolder } from './cache.ts'

/** Where programs are looked for: what install.sh installed comes first. */
export function searchPath(): string {
  return [cacheFolder('peers'), process.env['PATH'] ?? ''].join(path.delimiter)
}

/** Why a program can't be run here, or `undefined`. */
export function missingProgram(name: string | undefined): string | undefined {
  if (name === undefined || findProgram(name) !== undefined) return undefined
  const note = path.join(cacheFolder('peers'), `${name}.missing`)
  return fs.existsSync(note)
    ? fs.readFileSync(note, 'utf8').trim()
    : 'it is not installed; run test/bench/install.sh'
}

function findProgram(name: string): string | undefined {
  return searchPath()
    .split(path.delimiter)
    .map((folder) => path.join(folder, name))
    .find((file) => fs.existsSync(file))
}

/** Program to its version, where it is there. */
export function readVersions(): Record<string, string> {
  const installed = fs
    .readdirSync(cacheFolder('peers'))
    .flatMap((file) => [...file.matchAll(/^\.([a-z\d]+)-v?([\d.]+)$/g)])
    .map(([, name = '', version = '']) => [name, version] as const)
  const env = { PATH: `${searchPath()}:${cacheFolder('bin')}`, HOME: '/nonexistent' }
  const asked = ['curl', 'zstd', 'tar', 'cc', 'python3', 'versitygw'].flatMap((name) => {
    const { stdout, status } = spawnSync(name, ['--version'], { env, encoding: 'utf8' })
    const version = /\d+(?:\.\d+)+/.exec(stdout)?.[0]
    return status === 0 && version !== undefined ? [[name, version] as const] : []
  })
  return { ...Object.fromEntries([...installed, ...asked]), node: process.versions.node }
}
