import { hostname } from 'node:os'
import { attemptEach, BerthError, done, skipped, unchanged, type StepContext } from '@berth/core'
import { openStore } from '@berth/object-store'
import { saveDirectory, type Saved } from './save-directory.ts'
import { listSources, type SaveInputs } from './save-sources.ts'

// Each has its own threads and requests; the first of a list are the most valuable and must not wait for the last.
const SAVED_AT_ONCE = 3

/** Saves every directory; one that fails does not keep the others from being saved. */
export async function saveShared(context: StepContext<SaveInputs>) {
  const { inputs, env, signal, log } = context
  const startedAt = performance.now()
  const places = listSources(context)
  if (inputs.store === '') return skipped('no store is configured: nothing was saved')
  const store = await openStore(inputs.store, { env, signal })
  try {
    const pod = env['RUNPOD_POD_ID'] ?? hostname()
    const results = await attemptEach(places, {
      atOnce: SAVED_AT_ONCE,
      signal,
      code: 'shared-data/system',
      what: ({ directory }) => `could not save \`${directory}\``,
      act: ({ directory, at }) =>
        saveDirectory(
          {
            directory,
            at,
            store,
            archive: `${inputs.archive}/${directory}`,
            exclude: inputs.exclude,
            compact: inputs.compact && context.periodic,
            pod,
          },
          context,
        ),
    })
    return summarise(results, log, (performance.now() - startedAt) / 1000)
  } finally {
    await store.close()
  }
}

function summarise(
  results: readonly (Saved | BerthError)[],
  log: StepContext['log'],
  seconds: number,
) {
  const failures = results.filter((result) => result instanceof BerthError)
  const saved = results.filter((result): result is Saved => !(result instanceof BerthError))
  for (const { directory, outcome, reason } of saved) {
    const isLoud = outcome === 'skipped' && !reason.startsWith('it is not there')
    log[isLoud ? 'warn' : 'info'](`${directory}: ${outcome} (${reason})`)
  }
  const named = (outcome: Saved['outcome']) =>
    saved.filter((result) => result.outcome === outcome).map(({ directory }) => directory)
  if (failures.length > 0)
    throw failed(failures, results.length, [...named('saved'), ...named('unchanged')])
  const compacted = saved.flatMap(({ directory, compacted }) =>
    compacted === undefined ? [] : [{ directory, ...compacted }],
  )
  const facts = {
    saved: named('saved'),
    unchanged: named('unchanged'),
    skipped: named('skipped'),
    bytes: saved.reduce((sum, { bytes }) => sum + bytes, 0),
    files: saved.reduce((sum, { files }) => sum + files, 0),
    seconds: Math.round(seconds * 1000) / 1000,
    ...(compacted.length === 0 ? {} : { compacted }),
  }
  if (facts.saved.length + compacted.length > 0) return done(facts)
  if (facts.unchanged.length > 0) return unchanged('the store holds everything', facts)
  return skipped('there was nothing to save', facts)
}

function failed(
  failures: readonly BerthError[],
  count: number,
  saved: readonly string[],
): BerthError {
  const [first] = failures
  if (first !== undefined && count === 1) return first
  const names = saved.map((directory) => `\`${directory}\``).join(', ')
  const others =
    saved.length === 0
      ? 'no directory is saved as a whole'
      : `${names} ${saved.length === 1 ? 'is' : 'are'} saved`
  return new BerthError(
    'shared-data/save-failed',
    `could not save ${failures.length} of ${count} directories`,
    { hint: `cure each of them; ${others}`, problems: failures },
  )
}
