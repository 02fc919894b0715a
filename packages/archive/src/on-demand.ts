import type * as copying from './copy-record.ts'
import type * as extracting from './extract.ts'
import type * as importing from './import.ts'
import type * as listing from './list-snapshots.ts'
import type * as pruning from './prune.ts'
import type * as repairTrees from './repair-trees.ts'
import type * as repairing from './repair.ts'
import type * as restoring from './restore.ts'
import type * as saving from './save.ts'
import type * as verifying from './verify.ts'

// What a boot that only links never calls is loaded by the first call: it is most of this package.

export const copyRecord: typeof copying.copyRecord = async (from, to) =>
  (await import('./copy-record.ts')).copyRecord(from, to)

export const describeArchives: typeof listing.describeArchives = async (store, options) =>
  (await import('./list-snapshots.ts')).describeArchives(store, options)

export const extractPaths: typeof extracting.extractPaths = async (options) =>
  (await import('./extract.ts')).extractPaths(options)

export const importArchive: typeof importing.importArchive = async (options) =>
  (await import('./import.ts')).importArchive(options)

export const listSnapshots: typeof listing.listSnapshots = async (store, archive, options) =>
  (await import('./list-snapshots.ts')).listSnapshots(store, archive, options)

export const pruneStore: typeof pruning.pruneStore = async (options) =>
  (await import('./prune.ts')).pruneStore(options)

export const findOwnTrees: typeof repairTrees.findOwnTrees = async (directory, of) =>
  (await import('./repair-trees.ts')).findOwnTrees(directory, of)

export const repairArchive: typeof repairing.repairArchive = async (options) =>
  (await import('./repair.ts')).repairArchive(options)

export const restoreTree: typeof restoring.restoreTree = async (options) =>
  (await import('./restore.ts')).restoreTree(options)

export const saveTree: typeof saving.saveTree = async (options) =>
  (await import('./save.ts')).saveTree(options)

export const verifyArchive: typeof verifying.verifyArchive = async (options) =>
  (await import('./verify.ts')).verifyArchive(options)
