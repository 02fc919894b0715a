import { defineCommand } from '../command.ts'
import { overlayOption, withOverlay } from '../overlay-option.ts'
import { parseGrace } from '../parse-grace.ts'
import { chooseReporter, reporterOptions } from '../reporters/choose-reporter.ts'
import { parseSettings, setOption } from '../settings.ts'
import { bootEnvironment } from '../supervisor/boot-environment.ts'
import { handOverToInit } from '../supervisor/init.ts'
import { startPipelineChild } from '../supervisor/pipeline-child.ts'
import { catchSignals } from '../supervisor/signals.ts'
import { claimStateDirectory, openStateDirectory } from '../supervisor/state-directory.ts'

export const boot = defineCommand({
  usage: 'boot RECIPE [--set KEY=VALUE]… [--overlay FILE] [--grace 10s] [-- COMMAND…]',
  description:
    'Runs the recipe’s boot, then COMMAND (or the recipe’s main), and, whatever ends that, shutdown and undo before the grace is over.',
  positionals: [1, 1],
  takesRest: true,
  options: {
    set: setOption,
    overlay: overlayOption,
    grace: {
      type: 'string',
      value: 'DURATION',
      describe: 'time from SIGTERM to SIGKILL; default: the recipe’s, then the platform’s',
    },
    health: {
      type: 'string',
      value: 'ADDRESS',
      describe: 'answer probes and Prometheus there, such as 127.0.0.1:9180; default: the recipe’s',
    },
    strict: { type: 'boolean', describe: 'exit with 3 when only optional steps failed' },
    detach: {
      type: 'boolean',
      describe: 'return when the app was started, and live on: for start scripts and shells',
    },
    ...reporterOptions,
    'state-dir': {
      type: 'string',
      value: 'DIRECTORY',
      describe: 'outputs, undo journal and pid; default: BERTH_STATE_DIR, /run/berth, …',
    },
  },
  run: async ({ positionals, rest, values }) => {
    if (values.detach) {
      const directory = openStateDirectory(values['state-dir'], process.env)
      // Another boot's log must not be overwritten.
      claimStateDirectory(directory)()
      return (await import('../supervisor/detach.ts')).detach(directory)
    }
    const signals = catchSignals()
    const isFirstProcess = process.pid === 1 || process.ppid === 1
    const init = handOverToInit()
    const set = parseSettings(values.set)
    const graceMs = values.grace === undefined ? undefined : parseGrace(values.grace)
    const reporterName = chooseReporter(values)
    if (values.health !== undefined) {
      const { parseAddress } = await import('../health/address.ts')
      parseAddress(values.health)
    }
    const stateDirectory = openStateDirectory(values['state-dir'], process.env)
    const release = claimStateDirectory(stateDirectory)
    const env = bootEnvironment(withOverlay(process.env, values.overlay))
    // Its engine starts while the rest of the supervisor is loaded.
    const workingDirectory = process.cwd()
    const firstChild = startPipelineChild(env, workingDirectory)
    const [{ survive }, { Supervisor }, { openControl }, { openWitnesses }, { endInTime }] =
      await Promise.all([
        import('../supervisor/survive.ts'),
        import('../supervisor/supervisor.ts'),
        import('../supervisor/control-socket.ts'),
        import('../report/witnesses.ts'),
        import('../supervisor/end-in-time.ts'),
      ])
    survive()
    const recipe = positionals[0] ?? ''
    const witnesses = await openWitnesses({
      reporter: reporterName,
      stateDirectory,
      recipe,
      listen: values.health,
    })
    const { report, health } = witnesses
    const supervisor = new Supervisor(
      {
        recipe,
        set,
        grace: values.grace,
        graceMs,
        strict: values.strict,
        stateDirectory,
        command: rest?.length === 0 ? undefined : rest,
        env,
        workingDirectory,
        isFirstProcess,
        health,
      },
      report,
      { firstChild },
    )
    signals.listen((signal) => supervisor.receive(signal), supervisor.booted)
    if (init === 'unavailable') {
      const text = 'this is PID 1 and no init (tini, …) was found: zombies will accumulate'
      report({ type: 'note', level: 'warn', text, time: Date.now() })
    }
    const control = await openControl(stateDirectory, supervisor.controls, report)
    let code: number | undefined
    try {
      code = await supervisor.run()
      return code
    } finally {
      const closing = [control.close(), witnesses.close(code), supervisor.written]
      await endInTime({ closing, release, lastMoment: () => supervisor.lastMoment })
    }
  },
})
