import { accessSync, constants, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PlatformFacts } from '@berth/platform'
import { findLife } from '../report/find-life.ts'
import { owedLives, owedText } from '../supervisor/debts.ts'
import { findInit } from '../supervisor/init.ts'
import { stateDirectories } from '../supervisor/state-directory.ts'
import { type Check, ok, told, warning } from './check.ts'

/** Programs that reap what is orphaned, by the name that the kernel knows. */
const reapers =
  /^(tini(-static)?|docker-init|catatonit|dumb-init|systemd|init|s6-svscan|runit|supervisord|launchd)$/

/** Who is PID 1, and whether it reaps. */
export function initCheck({ container }: PlatformFacts, root: string): Check {
  const name = readText(join(root, 'proc/1/comm'))?.trim()
  const own = findInit()
  const found = own === undefined ? 'no init is installed' : `\`${own}\` is installed`
  if (name === undefined) return told('init', `PID 1 can't be seen; ${found}`)
  if (reapers.test(name)) return ok('init', `PID 1 is \`${name}\`, which reaps; ${found}`)
  if (!container) return told('init', `PID 1 is \`${name}\`; ${found}`)
  if (own !== undefined) {
    return ok(
      'init',
      `PID 1 is \`${name}\`; ${found}, and \`berth boot\` as PID 1 hands itself to it`,
    )
  }
  return warning(
    'init',
    `PID 1 is \`${name}\`, and ${found}: what is orphaned stays as a zombie`,
    'install tini in the image, or start the container with `--init`',
  )
}

/** Where a boot keeps its state, and whether one is there. */
export function stateCheck(option: string | undefined, env: NodeJS.ProcessEnv): Check {
  const found = findLife({ stateDirectory: option, env })
  if (found !== undefined) {
    const { life, stateDirectory } = found
    const isAlive = found.isAlive()
    const how = isAlive ? `a boot runs (pid ${life.pid})` : 'the last boot is over'
    const left = owedLives(stateDirectory).filter(({ isDebt }) => isDebt || !isAlive)
    if (left.length > 0) {
      const said = `${stateDirectory}: ${how}, and ${left.map(owedText).join(', ')} was not put away`
      return warning('state', said, `run \`berth shutdown\`${isAlive ? ' after this boot' : ''}`)
    }
    return ok('state', `${stateDirectory}: ${how}; see \`berth status\``)
  }
  const candidates = stateDirectories(option, env)
  const usable = candidates.find(canBeMade)
  if (usable !== undefined) return ok('state', `a boot would keep its state in ${usable}`)
  return {
    name: 'state',
    result: 'failed',
    said: `a boot can keep its state nowhere: ${candidates.join(', ')} can't be written`,
    hint: 'name a directory with BERTH_STATE_DIR',
  }
}

/** The directory, or what it would be made in, may be written. */
function canBeMade(directory: string): boolean {
  for (let path = directory; ; path = dirname(path)) {
    try {
      accessSync(path, constants.W_OK)
      return true
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      if (!isMissing || path === dirname(path)) return false
    }
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
