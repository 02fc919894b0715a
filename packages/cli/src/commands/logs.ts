import { BerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { nearest } from '../nearest.ts'
import { parseBoot, requireLife } from '../report/find-life.ts'
import { followRecord } from '../report/follow-record.ts'
import { createLogPrinter } from '../report/log-printer.ts'
import { parseRecord } from '../report/record-file.ts'
import { stateDirectoryOption } from '../state-directory-option.ts'

export const logs = defineCommand({
  usage: 'logs [STEP] [--follow]',
  description:
    'Prints what a boot has printed, or one step of it, from its record; not what the app prints, which goes past Berth.',
  positionals: [0, 1],
  options: {
    follow: { type: 'boolean', short: 'f', describe: 'go on until the boot is over' },
    json: { type: 'boolean', describe: 'print the events, one JSON object a line' },
    boot: { type: 'string', value: 'N', describe: 'the boot N before the last' },
    'state-dir': stateDirectoryOption,
  },
  run: async ({ positionals, values }) => {
    const boot = parseBoot(values.boot)
    const { stateDirectory, text, isAlive } = requireLife({
      stateDirectory: values['state-dir'],
      env: process.env,
      boot,
    })
    requireStep(positionals[0], text)
    const print = createLogPrinter(process.stdout, { step: positionals[0], json: values.json })
    print(parseRecord(text))
    if (values.follow && boot === 0) {
      for await (const lines of followRecord(stateDirectory, text, isAlive)) print(lines)
    }
    return exitCodes.right
  },
})

/** Of a step that has not begun there is nothing yet; one that no pipeline has announced is a mistake. */
function requireStep(step: string | undefined, text: string): void {
  if (step === undefined) return
  const known = parseRecord(text).flatMap((line) => {
    if (line.type === 'pipeline:start') return line.steps.map(({ id }) => id)
    return 'step' in line && line.step !== undefined ? [line.step] : []
  })
  if (known.includes(step)) return
  if (step === 'main') {
    const reason = 'what the app prints goes past Berth and is not recorded'
    throw new BerthError('cli/usage', `there is no log of \`main\`: ${reason}`, {
      hint: 'see the log of the container, or, of a boot with `--detach`, `boot.log` in its state directory',
    })
  }
  if (known.length === 0) return
  const meant = nearest(step, [...new Set(known)])
  const message = `the boot has no step \`${step}\`${meant === undefined ? '' : `; did you mean \`${meant}\`?`}`
  throw new BerthError('cli/usage', message, { hint: 'see `berth report`' })
}
