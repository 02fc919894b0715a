import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  attemptEach,
  BerthError,
  done,
  skipped,
  unchanged,
  type PlannedAction,
  type StepContext,
} from '@berth/core'
import { isMountpoint, refuseSystemRoot, relateDirectories } from '@berth/filesystem'
import { copyDirectory, inspectCopy, type Copied, type CopyJob } from './copy-directory.ts'

export interface CopyInputs {
  from: string
  volume: string
  directories: string[]
  update: boolean
}

type CopyPlanContext = Pick<StepContext<CopyInputs>, 'inputs' | 'workingDirectory' | 'wasUsed'>

// A network volume answers late rather than slowly, and each copy keeps sixteen files under way already.
const COPIED_AT_ONCE = 2

/** Copies what the volume lacks; one directory's failure does not keep the others from being copied. */
export async function copyShared(context: StepContext<CopyInputs>) {
  const { signal, log } = context
  const startedAt = performance.now()
  const question = await listCopies(context)
  if (typeof question === 'string') {
    if (context.inputs.volume !== '') log.warn(`the volume is ignored: ${question}`)
    return skipped(question)
  }
  const results = await attemptEach(question, {
    atOnce: COPIED_AT_ONCE,
    signal,
    code: 'shared-data/system',
    what: ({ directory }) => `could not copy \`${directory}\` to the volume`,
    act: (job) => copyDirectory(job, context),
  })
  return summarise(results, log, (performance.now() - startedAt) / 1000)
}

/** What would be copied, and why. */
export async function planCopy(context: CopyPlanContext): Promise<PlannedAction> {
  const question = await listCopies(context)
  if (typeof question === 'string') return { action: 'skipped', summary: question }
  const choices = await Promise.all(
    question.map(async (job) => ({ job, ...(await inspectCopy(job)) })),
  )
  const summary = choices
    .map(({ job, choice, reason }) => `${job.directory}: ${choice} (${reason})`)
    .join('; ')
  if (choices.some(({ choice }) => choice === 'copy')) return { action: 'run', summary }
  return {
    action: choices.every(({ choice }) => choice === 'skip') ? 'skipped' : 'unchanged',
    summary,
  }
}

/** The copies to look at, or why there is none. Nothing is ever made at the place of a volume that isn't there. */
async function listCopies({
  inputs,
  workingDirectory,
  wasUsed,
}: CopyPlanContext): Promise<CopyJob[] | string> {
  const from = resolve(workingDirectory, inputs.from)
  for (const directory of inputs.directories) refuseSystemRoot(join(from, directory))
  if (inputs.volume === '') return 'there is no network volume'
  const volume = resolve(workingDirectory, inputs.volume)
  for (const directory of inputs.directories) refuseSystemRoot(join(volume, directory))
  const found = await stat(volume).catch(() => undefined)
  if (found?.isDirectory() !== true) {
    throw new BerthError(
      'shared-data/no-volume',
      `could not copy to \`${volume}\`: it is not a directory`,
      {
        hint: 'give the output of `network-volume/detect`, which is empty where there is no volume',
      },
    )
  }
  const relation = await relateDirectories(from, volume)
  if (relation === 'same') return `${volume} and ${from} are the same place`
  if (relation === 'b-inside-a' && (await isOnSameDisk(from, volume))) {
    return `${volume} lies inside ${from}, on the same disk`
  }
  return inputs.directories.map((directory) => ({
    directory,
    from: join(from, directory),
    to: join(volume, directory),
    update: inputs.update,
    wasUsed,
  }))
}

async function isOnSameDisk(from: string, volume: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(from), stat(volume)])
  return a.dev === b.dev && !(await isMountpoint(volume))
}

function summarise(
  results: readonly (Copied | BerthError)[],
  log: StepContext['log'],
  seconds: number,
) {
  const failures = results.filter((result) => result instanceof BerthError)
  const copied = results.filter((result): result is Copied => !(result instanceof BerthError))
  for (const { directory, outcome, reason, warns } of copied) {
    log[warns ? 'warn' : 'info'](`${directory}: ${outcome} (${reason})`)
  }
  if (failures.length > 0) throw failed(failures, results.length)
  const named = (outcome: Copied['outcome']) =>
    copied.filter((result) => result.outcome === outcome).map(({ directory }) => directory)
  const facts = {
    copied: named('copied'),
    unchanged: named('unchanged'),
    skipped: named('skipped'),
    bytes: copied.reduce((sum, { bytes }) => sum + bytes, 0),
    files: copied.reduce((sum, { files }) => sum + files, 0),
    seconds: Math.round(seconds * 1000) / 1000,
  }
  if (facts.copied.length > 0) return done(facts)
  if (facts.unchanged.length > 0) return unchanged('the volume lacks nothing', facts)
  return skipped('there was nothing to copy', facts)
}

function failed(failures: readonly BerthError[], count: number): BerthError {
  const [first] = failures
  if (first !== undefined && count === 1) return first
  const reasons = failures.map(({ message }) => message).join('; ')
  return new BerthError(
    'shared-data/copy-failed',
    `could not copy ${failures.length} of ${count} directories: ${reasons}`,
    {
      hint: 'cure each of them; the volume holds nothing half-made, and a save is not affected',
      problems: failures,
    },
  )
}
