import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readRecord } from '../record/record.ts'

/** Whole directories that Berth has saved to an archive or restored from it: this one, and those that lie in it. */
export async function findOwnTrees(
  directory: string,
  { archive, store }: { archive: string; store: string },
): Promise<string[]> {
  const state = join(directory, '.berth', 'trees')
  const names = existsSync(state) ? readdirSync(state) : []
  const found: string[] = []
  for (const tree of [directory, ...names.map((name) => join(directory, name))]) {
    const record = existsSync(tree) ? await readRecord(tree) : undefined
    const isOf = record?.archive === archive && record.store === store && record.complete
    if (isOf) found.push(tree)
  }
  return found
}
