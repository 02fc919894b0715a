import type { PipelineName } from '@berth/core'
import { BerthError } from '@berth/core/error'
import { nearest } from './nearest.ts'

const pipelines: readonly PipelineName[] = ['boot', 'shutdown', 'build']

/** A pipeline's name. Throws `cli/usage`. */
export function parsePipeline(name: string): PipelineName {
  const pipeline = pipelines.find((known) => known === name)
  if (pipeline !== undefined) return pipeline
  const meant = nearest(name, pipelines)
  throw new BerthError(
    'cli/usage',
    `the pipeline \`${name}\` is unknown${meant === undefined ? '' : `; did you mean \`${meant}\`?`}`,
    { hint: 'name one of `boot`, `shutdown`, `build`' },
  )
}

/** The error for a recipe that has no such pipeline. */
export function missingPipeline(file: string, pipeline: string): BerthError {
  return new BerthError('cli/no-such-pipeline', `\`${file}\` has no pipeline \`${pipeline}\``, {
    hint: `add \`${pipeline}:\` to the recipe, or name another pipeline`,
  })
}
