import { mkdir, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readWhatIsThere } from '../command/command-output.ts'
import { runScript } from '../command/run-script.ts'
import { evaluateText } from '../expression/expression.ts'
import type { PipelineName } from '../event.ts'
import type { UndoIntent } from './journal.ts'
import type { PipelineRun } from './pipeline-run.ts'
import type { RecipeStep } from '../recipe/recipe.ts'
import { stateProblem } from '../recipe/state-problem.ts'
import { expressionContext, stepDirectory, stepEnvironment } from './prepare-step.ts'
import type { StepRecords } from './outputs.ts'
import type { StepVoice } from './step-log.ts'

/** What the journal says a `run` step uses. */
export const SCRIPT = 'run'

/**
 * Announces that the `undo` of a `run` step must be run, and gives the file for its outputs: one that outlives a kill, because the undo
 * may need what the script had found by then. Attempts append to it. Throws `core/state-not-written`.
 */
export async function announceScriptUndo(
  run: PipelineRun,
  step: RecipeStep,
  signal: AbortSignal,
): Promise<string> {
  const { pipeline } = run
  const file = keptOutput(run, { pipeline, step: step.id })
  signal.throwIfAborted()
  await prepareOutput(file)
  await run.journal.intend({ step: step.id, uses: SCRIPT, pipeline, data: null })
  signal.throwIfAborted()
  return file
}

export interface ScriptUndoOptions {
  /** The id by which the script names its own outputs: that of its ladder, where it is a rung. */
  item: string
  /** The pipeline that the step ran in. */
  pipeline: PipelineName
  records: StepRecords
  signal: AbortSignal
  voice: StepVoice
}

/** Runs the `undo` of a `run` step as its script was run, and with the outputs that this had written. Throws what `runScript` does. */
export async function undoScript(
  run: PipelineRun,
  step: RecipeStep,
  { item, pipeline, records, signal, voice }: ScriptUndoOptions,
): Promise<void> {
  const surroundings = { ...run, pipeline }
  const written = await readWhatIsThere(keptOutput(run, { pipeline, step: step.id }))
  const record = records[item]
  const own = { result: record?.result ?? 'failed', outputs: { ...record?.outputs, ...written } }
  const steps = { ...records, [step.id]: own, [item]: own }
  const context = expressionContext(surroundings, step, steps, 'success')
  const env = stepEnvironment(surroundings, step, context)
  const inner = { ...context, env }
  await runScript({
    step: step.id,
    script: evaluateText(step.undo ?? '', inner),
    shell: step.shell,
    env,
    workingDirectory: stepDirectory(surroundings, step, inner),
    stateDirectory: run.stateDirectory,
    outputFile: undefined,
    signal,
    mask: run.mask,
    warn: voice.log.warn,
    onLine: voice.output,
  })
}

/** Forgets the outputs that were kept for an undo, once that is done for good. */
export async function forgetKeptOutput(
  run: Pick<PipelineRun, 'stateDirectory'>,
  intent: UndoIntent,
): Promise<void> {
  const { pipeline, step } = intent
  const name = intent.uses === SCRIPT ? undefined : nameIn(intent.data)
  if (intent.uses !== SCRIPT && name === undefined) return
  const script = { pipeline, step, ...(name === undefined ? {} : { name }) }
  await rm(keptOutput(run, script), { force: true })
}

/** The script of a plugin's step that an intent is about. */
function nameIn(data: UndoIntent['data']): string | undefined {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return undefined
  if (typeof data.script === 'string') return data.script
  const inner = data.data === undefined ? undefined : nameIn(data.data)
  return inner === undefined || typeof data.step !== 'string' ? undefined : `${data.step}.${inner}`
}

interface ScriptName extends Pick<UndoIntent, 'pipeline' | 'step'> {
  /** Of a script of a plugin's step, which may have several. */
  name?: string
}

/** A file for the outputs of a plugin's script that outlives a kill. Throws `core/state-not-written`. */
export async function keepScriptOutput(
  run: Pick<PipelineRun, 'stateDirectory'>,
  script: ScriptName,
): Promise<string> {
  const file = keptOutput(run, script)
  await prepareOutput(file)
  return file
}

/** What a plugin's script has written by now; nothing where it never ran. */
export function keptScriptOutput(
  run: Pick<PipelineRun, 'stateDirectory'>,
  script: ScriptName,
): Promise<Record<string, string>> {
  return readWhatIsThere(keptOutput(run, script))
}

function keptOutput(
  { stateDirectory }: Pick<PipelineRun, 'stateDirectory'>,
  { pipeline, step, name }: ScriptName,
): string {
  const parts = [pipeline, step, ...(name === undefined ? [] : [name])]
  return join(stateDirectory, 'undo', parts.join('.'))
}

async function prepareOutput(file: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await using handle = await open(file, 'a', 0o600)
    // Closes a line that an earlier attempt was cut off in.
    if ((await handle.stat()).size > 0) await handle.appendFile('\n')
  } catch (error) {
    throw stateProblem(file, error)
  }
}
