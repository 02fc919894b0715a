import { BerthError } from '@berth/core/error'
import { nearest } from '../nearest.ts'
import { type ReporterName, reporterNames } from './reporter.ts'

/** The options that `chooseReporter` takes, the same for every command that runs steps. */
export const reporterOptions = {
  reporter: {
    type: 'string',
    value: 'NAME',
    describe: 'line, pretty (default on a terminal) or json',
  },
  json: { type: 'boolean', describe: 'the same as `--reporter json`' },
} as const

/** `--reporter`, `--json`, else `pretty` where stderr is a terminal and `line` elsewhere. Throws `cli/usage`. */
export function chooseReporter({
  reporter,
  json,
}: {
  reporter: string | undefined
  json: boolean
}): ReporterName {
  if (reporter === undefined) {
    if (json) return 'json'
    return process.stderr.isTTY && process.env.TERM !== 'dumb' ? 'pretty' : 'line'
  }
  const name = reporterNames.find((known) => known === reporter)
  if (name !== undefined && (!json || name === 'json')) return name
  const meant = nearest(reporter, reporterNames)
  throw new BerthError(
    'cli/usage',
    name === undefined
      ? `the reporter \`${reporter}\` is unknown${meant === undefined ? '' : `; did you mean \`${meant}\`?`}`
      : `\`--json\` and \`--reporter ${reporter}\` exclude each other`,
    { hint: `use one of ${reporterNames.map((known) => `\`${known}\``).join(', ')}` },
  )
}
