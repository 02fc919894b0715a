import { BerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts'
import { parseSettings, setOption } from '../settings.ts'
import { catchSignals, isStopSignal, type StopSignal } from '../supervisor/signals.ts'

const defaultBootMs = 10 * 60_000

export const smoke = defineCommand({
  usage: 'smoke RECIPE [--set KEY=VALUE]… [-- COMMAND…]',
  description:
    'Boots a recipe and shuts it down, again and again, as platforms would, with a temporary store and temporary directories: without a volume, with one, with 5 s grace, with a second SIGTERM, without FUSE, on a read-only root; and runs its build, twice on one disk. COMMAND (default: sleep) is the app.',
  positionals: [1, 1],
  takesRest: true,
  options: {
    set: setOption,
    scenario: {
      type: 'string',
      value: 'NAME',
      multiple: true,
      describe: 'play only this one, such as `new pod`',
    },
    strict: { type: 'boolean', describe: 'fail where an optional step fails' },
    'allow-outside': {
      type: 'boolean',
      describe: 'play a recipe that names places which no var moves',
    },
    timeout: {
      type: 'string',
      value: 'DURATION',
      describe: 'how long a boot or a build may take; 10m',
    },
    json: { type: 'boolean', describe: 'print the results as JSON' },
  },
  run: async ({ positionals, rest, values }) => {
    const cancel = new AbortController()
    let stopped: StopSignal | undefined
    catchSignals().listen(({ name }) => {
      if (!isStopSignal(name)) return
      stopped ??= name
      cancel.abort(new BerthError('cli/cancelled', `could not go on: ${name} came`))
    })
    const given = parseSettings(values.set)
    const { runSmoke } = await import('../smoke/run-smoke.ts')
    const { parseDuration } = await import('@berth/core/duration')
    try {
      const isRight = await runSmoke({
        file: positionals[0] ?? '',
        given,
        only: values.scenario,
        command: rest === undefined || rest.length === 0 ? ['sleep', '86400'] : rest,
        bootMs: values.timeout === undefined ? defaultBootMs : parseDuration(values.timeout),
        strict: values.strict,
        allowOutside: values['allow-outside'],
        json: values.json,
        signal: cancel.signal,
      })
      return isRight ? exitCodes.right : exitCodes.failed
    } catch (error) {
      if (stopped !== undefined) return exitCodeOfSignal(stopped)
      throw error
    }
  },
})
