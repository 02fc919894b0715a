import { chooseDriver, type DriverChoice } from '../driver/choose-driver.ts'
import type { DriverName, MountSpec } from '../driver/driver.ts'
import { createMountSpec, type SpecQuestion } from '../mount/mount-spec.ts'
import { readFuseFacts } from './fuse-facts.ts'
import { warnOfVersion } from './judge-fuse.ts'
import { thisMachine } from './machine.ts'

export interface ChoiceQuestion {
  wanted: DriverName | 'auto'
  question: Omit<SpecQuestion, 'driver'>
  /** As for `readFuseFacts`. */
  tries: boolean
}

export interface ChosenSpec {
  choice: DriverChoice
  spec: MountSpec
  /** What should be said of the driver. */
  notes: string[]
}

/**
 * Reads the store and its keys, then chooses the driver for them. Wrong settings throw before this machine is asked anything: no missing
 * device may hide them.
 */
export async function chooseSpec({ wanted, question, tries }: ChoiceQuestion): Promise<ChosenSpec> {
  const watched = createMountSpec({ ...question, driver: 'watch' })
  if (wanted === 'watch') {
    return { choice: { driver: 'watch', why: undefined }, spec: watched, notes: [] }
  }
  const { env, options } = question
  const facts = await readFuseFacts(thisMachine(env['PATH']), { tries, asksAll: false })
  const needs = {
    others: options.allowOther,
    sessionToken: watched.credentials.sessionToken !== undefined,
  }
  const choice = chooseDriver({ wanted, facts, needs })
  const { driver } = choice
  if (driver === 'watch') return { choice, spec: watched, notes: [] }
  const program = facts.programs[driver]
  const warning = program === undefined ? undefined : warnOfVersion(driver, program)
  return {
    choice,
    spec: {
      ...createMountSpec({ ...question, driver }),
      ...(program === undefined ? {} : { program: program.path }),
    },
    notes: warning === undefined ? [] : [warning],
  }
}
