import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isMountpoint } from '@berth/filesystem'

/** A directory and where its state lies. */
export interface TreePlace {
  /** Absolute, without a link among its parents. */
  directory: string
  /**
   * `<parent>/.berth/trees/<name>`, or `<directory>/.berth/tree` for a mountpoint: its parent is another disk. Never in the tree
   * otherwise, so that it is neither saved nor moved with it.
   */
  state: string
  /** It can't be renamed, nor renamed over. */
  isMountpoint: boolean
}

/** The `.berth` that a place's state lies in. */
export function stateRoot({ state, isMountpoint }: TreePlace): string {
  return isMountpoint ? dirname(state) : dirname(dirname(state))
}

/** The place of a directory as it is named: a link there is the thing itself, not what it leads to. */
export async function placeAt(directory: string): Promise<TreePlace> {
  const parent = dirname(directory)
  const realParent = existsSync(parent) ? realpathSync(parent) : parent
  const real = join(realParent, basename(directory))
  return (await isMountpoint(real))
    ? { directory: real, state: join(real, '.berth', 'tree'), isMountpoint: true }
    : {
        directory: real,
        state: join(realParent, '.berth', 'trees', basename(real)),
        isMountpoint: false,
      }
}

/** The place that a directory leads to: of a linked one, the place on its volume. */
export async function placeBehind(directory: string): Promise<TreePlace> {
  return placeAt(existsSync(directory) ? realpathSync(directory) : directory)
}
