import type { PipelineName } from '../event.ts'
import type { RunScript } from '../plugin/plugin.ts'
import { runScript } from '../command/run-script.ts'
import type { PipelineRun } from './pipeline-run.ts'
import type { PreparedStep } from './prepare-step.ts'
import { keepScriptOutput } from './script-undo.ts'
import type { StepVoice } from './step-log.ts'

interface Part {
  step: string
  pipeline: PipelineName
  signal: AbortSignal
  voice: StepVoice
}

/** What runs the scripts of a plugin's step, as those of `run` steps are run. */
export function scriptRunner(
  run: PipelineRun,
  prepared: Pick<PreparedStep, 'env' | 'workingDirectory'>,
  { step, pipeline, signal, voice }: Part,
): RunScript {
  return async ({ text, shell = 'bash', env = {}, workingDirectory, keepAs }) => {
    signal.throwIfAborted()
    const kept = keepAs === undefined ? undefined : { pipeline, step, name: keepAs }
    return runScript({
      step,
      script: text,
      shell,
      env: { ...prepared.env, ...env },
      workingDirectory: workingDirectory ?? prepared.workingDirectory,
      stateDirectory: run.stateDirectory,
      outputFile: kept && (await keepScriptOutput(run, kept)),
      signal,
      mask: run.mask,
      warn: voice.log.warn,
      onLine: voice.output,
    })
  }
}
