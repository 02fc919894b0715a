import { BerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import type { AwaitedBoot } from '../report/ask-status.ts'
import { stateDirectoryOption } from '../state-directory-option.ts'

const probes = ['live', 'startup', 'ready'] as const

export const status = defineCommand({
  usage: 'status [--wait] [--probe live|startup|ready]',
  description:
    'Says how the container is, also when its boot is over. Exit codes (without `--probe`): 0 ready, 1 failed or not running, 3 degraded, 4 booting or stopping. A probe ends with 0 or 1.',
  positionals: [0, 0],
  options: {
    wait: {
      type: 'boolean',
      describe:
        'wait until it is up, has failed or has ended; where it has ended already, for the next boot',
    },
    timeout: {
      type: 'string',
      value: 'DURATION',
      describe: 'how long `--wait` waits; for a boot after the last, 10s',
    },
    probe: {
      type: 'string',
      value: 'PROBE',
      describe:
        'print nothing: `live`: the supervisor answers; `startup`: and the boot is over; `ready`',
    },
    json: { type: 'boolean', describe: 'print the status as JSON' },
    'state-dir': stateDirectoryOption,
  },
  run: async ({ values }) => {
    const timeoutMs = values.timeout === undefined ? undefined : await durationOf(values.timeout)
    const probe = probes.find((known) => known === values.probe)
    if (values.probe !== undefined && probe === undefined) {
      throw new BerthError('cli/usage', `the probe \`${values.probe}\` is unknown`, {
        hint: 'use one of `live`, `startup`, `ready`',
      })
    }
    const { askStatus, awaitStatus } = await import('../report/ask-status.ts')
    const question = { stateDirectory: values['state-dir'], env: process.env }
    const mayTell = values.wait && probe === undefined
    const say = mayTell ? await awaitedBootWriter() : () => undefined
    const asked = await (values.wait ? awaitStatus(question, timeoutMs, say) : askStatus(question))
    const { probeHolds, statusExitCode } = await import('../report/status.ts')
    if (probe !== undefined) {
      return probeHolds(probe, asked) ? exitCodes.right : exitCodes.failed
    }
    const { outputMask } = await import('../output-mask.ts')
    const shown = outputMask().value(asked.status)
    if (values.json) process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`)
    else {
      const [{ statusText }, { styleFor }] = await Promise.all([
        import('../report/status-text.ts'),
        import('../reporters/symbols.ts'),
      ])
      process.stdout.write(statusText(shown, Date.now(), styleFor(process.stdout)))
    }
    return statusExitCode(asked.status)
  },
})

/** Whoever waits for a boot that is over should know at once. */
async function awaitedBootWriter(): Promise<(awaited: AwaitedBoot) => void> {
  const [{ awaitedBootText }, { outputMask }] = await Promise.all([
    import('../report/status-text.ts'),
    import('../output-mask.ts'),
  ])
  return (awaited) => process.stderr.write(outputMask().text(awaitedBootText(awaited)))
}

async function durationOf(text: string): Promise<number> {
  const { parseDuration } = await import('@berth/core/duration')
  return parseDuration(text)
}
