import { defineCommand } from '../command.ts'
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts'
import { shownError } from '../output-mask.ts'
import { overlayOption, withOverlay } from '../overlay-option.ts'
import { missingPipeline, parsePipeline } from '../pipeline-name.ts'
import { chooseReporter, reporterOptions } from '../reporters/choose-reporter.ts'
import { openReporter } from '../reporters/reporter.ts'
import { parseSettings, setOption } from '../settings.ts'
import { catchSignals, isStopSignal, type StopSignal } from '../supervisor/signals.ts'
import { openStateDirectory } from '../supervisor/state-directory.ts'

export const run = defineCommand({
  usage: 'run RECIPE PIPELINE [--set KEY=VALUE]… [--overlay FILE]',
  description:
    'Runs one pipeline of a recipe (boot, shutdown or build), then exits: for CI, and by hand.',
  positionals: [2, 2],
  options: {
    set: setOption,
    overlay: overlayOption,
    strict: { type: 'boolean', describe: 'exit with 3 when only optional steps failed' },
    ...reporterOptions,
    'state-dir': {
      type: 'string',
      value: 'DIRECTORY',
      describe: 'outputs and undo journal; default: BERTH_STATE_DIR, /run/berth, …',
    },
  },
  run: async ({ positionals, values }) => {
    const signals = catchSignals()
    const [file = '', name = ''] = positionals
    const set = parseSettings(values.set)
    const pipeline = parsePipeline(name)
    const reporterName = chooseReporter(values)
    const { loadRecipe } = await import('../load.ts')
    const loaded = await loadRecipe({
      file,
      set,
      env: withOverlay(process.env, values.overlay),
      check: [pipeline],
      mayLeaveOutOverlay: true,
    })
    if (loaded.recipe.pipelines[pipeline] === undefined) throw missingPipeline(file, pipeline)
    const { runPipeline } = await import('@berth/core')
    const stateDirectory = openStateDirectory(values['state-dir'], process.env)
    const reporter = await openReporter(reporterName)
    const cancel = new AbortController()
    const skipOptional = new AbortController()
    let stopped: StopSignal | undefined
    signals.listen((signal) => {
      if (!isStopSignal(signal.name)) return
      const action = stopped === undefined ? 'cancelling' : 'again: skipping what is optional'
      reporter.report({ type: 'signal', name: signal.name, action, time: signal.at })
      if (stopped === undefined) cancel.abort(signal.name)
      else skipOptional.abort()
      stopped ??= signal.name
    })
    const { brokenOverlay } = loaded
    if (brokenOverlay !== undefined) {
      reporter.report({ type: 'error', error: shownError(brokenOverlay), time: Date.now() })
    }
    const { result } = await runPipeline({
      ...loaded,
      pipeline,
      emit: (event) => reporter.report({ ...event, time: Date.now() }),
      signal: cancel.signal,
      skipOptional: skipOptional.signal,
      stateDirectory,
    })
    reporter.close()
    if (result === 'cancelled') return exitCodeOfSignal(stopped ?? 'SIGTERM')
    if (result === 'failed') return exitCodes.failed
    const isDegraded = result === 'degraded' || brokenOverlay !== undefined
    return isDegraded && values.strict ? exitCodes.degraded : exitCodes.right
  },
})
