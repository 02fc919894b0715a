import type { BerthError } from '@berth/core/error'
import type { Check } from './check.ts'
import type { FuseFacts } from './fuse-facts.ts'
import { judgeDriver, judgeFuse, warnOfVersion } from './judge-fuse.ts'

const drivers = ['s3fs', 'rclone'] as const
const needs = { others: false, sessionToken: false }

/**
 * What this machine can do about mounting. Nothing of it is a failure: without a mount a folder is watched. Where nothing can be mounted,
 * no driver is judged.
 */
export function mountChecks(facts: FuseFacts): Check[] {
  const problems = judgeFuse(facts, needs)
  const how = facts.mayMount ? 'this process' : 'a helper, for this user,'
  return [
    ...problems.map((problem) => warned('mounting', problem)),
    ...(problems.length > 0
      ? []
      : [{ name: 'mounting', result: 'ok' as const, said: `${how} may mount` }]),
    ...(problems.length > 0 ? [] : drivers.flatMap((name) => checkDriver(name, facts))),
    ...told(
      'connections',
      facts.seesConnections
        ? ''
        : 'the kernel’s list of mounts by FUSE is not to be seen: a mount that hangs is found by its silence',
    ),
    ...told(
      'sandbox',
      facts.sandbox === '' ? '' : `this runs in ${facts.sandbox}, where a mount may work otherwise`,
    ),
  ]
}

function checkDriver(name: 's3fs' | 'rclone', facts: FuseFacts): Check[] {
  const problems = judgeDriver(name, facts, needs)
  if (problems.length > 0) return problems.map((problem) => warned(name, problem))
  const program = facts.programs[name]
  if (program === undefined) return []
  const said = [program.version, program.fuse && `for FUSE ${program.fuse}`, program.path]
  const found: Check = { name, result: 'ok', said: said.filter(Boolean).join(', ') }
  const warning = warnOfVersion(name, program)
  return warning === undefined
    ? [found]
    : [
        {
          ...found,
          result: 'warning',
          said: warning,
          hint: `install a newer ${name}, or use \`driver: rclone\` or \`watch\``,
        },
      ]
}

function warned(name: string, { code, message, hint }: BerthError): Check {
  return { name, result: 'warning', said: message, code, ...(hint === undefined ? {} : { hint }) }
}

function told(name: string, said: string): Check[] {
  return said === '' ? [] : [{ name, result: 'told', said }]
}
