import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { forgetLocal } from '../merge/merge-base.ts'
import type { TreePlace } from '../record/tree-place.ts'
import { CLOCK } from '../scan/clock.ts'

const MARK = 'saving-'

/** Notes beside the directory that a snapshot with this id is about to be committed. */
export function markSave({ state }: TreePlace, id: string): void {
  try {
    writeFileSync(join(state, MARK + id), '')
  } catch {
    // A full disk must not keep anything from being saved, and to rename what is there takes no room.
    for (const spare of [CLOCK, ...readMarks({ state }).map((old) => MARK + old)])
      if (tryRename(join(state, spare), join(state, MARK + id))) return
  }
}

/** Without a mark a save is only beside the history if it is killed, or can't be recorded. */
function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch {
    return false
  }
}

/** Of snapshots that this directory has gone on from. */
export function dropMarks({ state }: TreePlace, ids: readonly string[]): void {
  for (const id of ids) rmSync(join(state, MARK + id), { force: true })
}

export function forgetMarks(place: TreePlace, ids: readonly string[]): void {
  const { state } = place
  forgetLocal(place)
  for (const id of ids) rmSync(join(state, MARK + id), { force: true })
}

/** Ids of the saves of this directory that were cut, or whose end was not recorded. */
export function readMarks({ state }: Pick<TreePlace, 'state'>): string[] {
  return readdirSync(state).flatMap((name) =>
    name.startsWith(MARK) ? [name.slice(MARK.length)] : [],
  )
}
