import { textInput, z } from '@berth/core'
import { checkArchiveName } from './format/name.ts'
import { parseAge, parseGrace } from './prune/age.ts'

export { excludeInput } from './scan/exclude.ts'

/** An input that holds an archive's name, or the first part of one; the empty one is for the step to judge. */
export const archiveNameInput = textInput((text) => text === '' || checkArchiveName(text))

/** An input that says whether half-empty chunks are written anew while nobody waits. */
export const compactInput = z
  .boolean()
  .default(true)
  .describe(
    'Whether saves while main runs (`every:`) also write chunks anew of which a quarter is of no use any more.',
  )

/** How much of an archive's history a prune keeps, and how long it waits. */
export const retentionInputs = {
  'keep-last': count(5).describe('How many of the newest snapshots stay; one at least.'),
  'keep-daily': count(7).describe(
    'Of how many days on which there were saves the newest snapshot stays.',
  ),
  'keep-weekly': count(0).describe('The same of weeks.'),
  siblings: textInput((text) => text === '' || parseAge(text))
    .default('')
    .describe('Snapshots beside the history go at this age, such as `30d`; empty means never.'),
  grace: textInput(parseGrace)
    .default('24h')
    .describe(
      'How long something must have been of no use before it is removed; an hour at least.',
    ),
}

function count(preset: number) {
  return z.number().int().min(0).default(preset)
}
