import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '@berth/core'
import { formatCount } from '../reporters/format.ts'
import { type Check, ok, told, warning } from './check.ts'

/** A restore has workers, requests and files open at the same time. */
const fewFiles = 4096

/** A program that hangs must not hold up the others. */
const patienceMs = 10_000

/** The shell of `run` steps. */
export function shellCheck({ PATH }: NodeJS.ProcessEnv): Check {
  const [bash, sh] = [findProgram('bash', PATH), findProgram('sh', PATH)]
  if (bash !== undefined) return ok('shell', bash)
  if (sh !== undefined)
    return ok('shell', `${sh}; there is no bash, so \`pipefail\` is off in \`run\``)
  const hint = 'install one in the image; steps of plugins need none'
  return warning('shell', 'there is neither bash nor sh: no `run` step can run', hint)
}

/** Python, and whether it can make a venv. */
export async function pythonCheck({ PATH, ...env }: NodeJS.ProcessEnv): Promise<Check> {
  const python = findProgram('python3', PATH)
  if (python === undefined) return told('python', 'there is no python3')
  const program = 'import sys, venv, ensurepip; print(sys.version.split()[0])'
  try {
    const options = { timeout: patienceMs, env: { ...env, PATH } }
    const { stdout } = await promisify(execFile)(python, ['-c', program], options)
    return ok('python', `${stdout.trim()}, ${python}, and can make a venv`)
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    const why = stderr.trimEnd().split('\n').at(-1) ?? ''
    const said = `${python} can't make a venv${why === '' ? '' : `: ${why}`}`
    return warning('python', said, 'install `python3-venv` where a step makes one')
  }
}

/** How many files a process may have open. */
export function limitCheck(root: string): Check {
  try {
    const limits = readFileSync(join(root, 'proc/self/limits'), 'utf8')
    const [, soft = '', hard = ''] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? []
    const shown = (limit: string): string =>
      /^\d+$/.test(limit) ? formatCount(Number(limit)) : limit
    const said = `${shown(soft)} open files, at most ${shown(hard)}`
    if (soft !== '' && Number(soft) < fewFiles) {
      return warning(
        'limits',
        said,
        `start the container with \`--ulimit nofile=${fewFiles * 16}\``,
      )
    }
    return soft === '' ? told('limits', 'they are not shown') : ok('limits', said)
  } catch {
    return told('limits', 'there is no /proc')
  }
}

/** A clock before the making of the engine is wrong for sure; how far it is off, a bucket knows. */
export function clockCheck(now: number): Check {
  const made = statSync(process.execPath, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const shown = `${new Date(now).toISOString().slice(0, 19)}Z`
  if (now >= made - 24 * 3_600_000) return ok('clock', shown)
  const said = `${shown} lies before the making of this program: stores will refuse what is signed now`
  return warning('clock', said, 'set the clock of the host')
}
