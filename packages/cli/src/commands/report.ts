import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { outputMask } from '../output-mask.ts'
import { findEarlier, parseBoot, requireLife } from '../report/find-life.ts'
import { makeReport } from '../report/report.ts'
import { styleFor } from '../reporters/symbols.ts'
import { stateDirectoryOption } from '../state-directory-option.ts'

export const report = defineCommand({
  usage: 'report [--html | --json] [--boot N]',
  description:
    'Says what a boot did and what was slow: a timeline, the critical path, and what took longer than in the same recipe’s boot before.',
  positionals: [0, 0],
  options: {
    html: { type: 'boolean', describe: 'print one self-contained page' },
    json: { type: 'boolean', describe: 'print the report as JSON' },
    boot: { type: 'string', value: 'N', describe: 'the boot N before the last' },
    'state-dir': stateDirectoryOption,
  },
  run: async ({ values }) => {
    const boot = parseBoot(values.boot)
    const question = { stateDirectory: values['state-dir'], env: process.env }
    const { life, isAlive } = requireLife({ ...question, boot })
    const before = findEarlier(life, { ...question, boot })
    const made = makeReport(life, { isAlive: isAlive(), before, now: Date.now() })
    const shown = outputMask().value(made)
    if (values.json) process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`)
    else if (values.html) {
      const { reportHtml } = await import('../report/report-html.ts')
      process.stdout.write(reportHtml(shown))
    } else {
      const { reportText } = await import('../report/report-text.ts')
      const columns = process.stdout.columns ?? 120
      process.stdout.write(reportText(shown, { columns, style: styleFor(process.stdout) }))
    }
    return exitCodes.right
  },
})
