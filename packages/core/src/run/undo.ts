import type { PipelineName, PipelineResult } from '../event.ts'
import { outputFile, type StepRecords } from './outputs.ts'
import type { PipelineRun } from './pipeline-run.ts'
import { watchStops } from './pipeline-stops.ts'
import { openRun, type PipelineOptions } from './run-pipeline.ts'
import type { StepEnd } from './step-end.ts'
import { findUndoSource, type UndoEnd, undoOne, type UndoSource } from './undo-one.ts'

export interface UndoOptions extends Omit<
  PipelineOptions,
  'pipeline' | 'signal' | 'only' | 'periodic' | 'deferred'
> {
  signal?: AbortSignal | undefined
}

export interface UndoOutcome {
  /** `failed`: something of a critical step is left as it was; it stays in the journal. */
  result: PipelineResult
  /** In the order in which they were taken back. */
  undone: UndoEnd[]
}

/**
 * Takes back everything that steps announced with `willUndo`, or by their `undo` script, and that was not taken back yet, the last first, also what an earlier
 * process announced and did not live to do. Each is tried once; what fails is said and stays in the journal, and the rest goes on.
 *
 * Where there is a deadline, no undo gets more than half of the time that is left while others wait behind it; one that is optional gets no more than each critical one
 * behind it, and is left out where that would be next to nothing. May run again at any time.
 */
export async function undoAll(options: UndoOptions): Promise<UndoOutcome> {
  const run = openRun({ ...options, pipeline: 'shutdown' })
  const stops = watchStops(options)
  try {
    const intents = await run.journal.pending()
    const undone: UndoEnd[] = []
    let result: UndoOutcome['result'] = 'ready'
    for (const [index, intent] of intents.entries()) {
      const source = findUndoSource(run.recipe, intent)
      const optional = isOptional(source)
      const later = intents.slice(index + 1).map((each) => findUndoSource(run.recipe, each))
      const behind = {
        all: later.length,
        critical: later.filter((each) => !isOptional(each)).length,
      }
      const shareMs = shareOfTime(run, optional, behind)
      const end = await undoOne(run, intent, {
        source,
        records: await readRecords(run, intent.pipeline),
        signal: stops.signalFor({ optional }),
        refusal: stops.refusal({ optional }) ?? tooShort(optional, shareMs),
        shareMs,
      })
      undone.push(end)
      if (end.result !== 'done' && result !== 'failed') result = optional ? 'degraded' : 'failed'
    }
    return { result, undone }
  } finally {
    stops.close()
    await run.journal.close()
  }
}

/** Without them an undo lacks at most what it is told of other steps. */
async function readRecords(
  { stateDirectory }: PipelineRun,
  pipeline: PipelineName,
): Promise<StepRecords> {
  return await outputFile(stateDirectory)
    .read(pipeline === 'build' ? pipeline : 'shutdown')
    .catch(() => ({}))
}

function isOptional(source: UndoSource | undefined): boolean {
  return source?.item.optional ?? false
}

/** What is critical and waits behind something optional has as much of the time as that. */
function shareOfTime(
  { deadline, clock }: PipelineRun,
  optional: boolean,
  behind: { all: number; critical: number },
): number | undefined {
  if (deadline === undefined || behind.all === 0) return undefined
  const parts = optional ? behind.critical + 1 : 1
  return (deadline - clock.now()) / Math.max(2, parts)
}

/** An undo that is cut in less than this has done more harm than good, and taken the time of one that counts. */
const SHORTEST_MS = 300

function tooShort(optional: boolean, shareMs: number | undefined): StepEnd | undefined {
  if (!optional || shareMs === undefined || shareMs >= SHORTEST_MS) return undefined
  return { result: 'timeout', reason: 'not started: the time is kept for what is critical' }
}
