import type * as copying from '../record/copy-record.ts'
import type * as extracting from '../restore/extract.ts'
import type * as importing from '../import/import.ts'
import type * as listing from '../snapshots/list-snapshots.ts'
import type * as pruning from '../prune/prune.ts'
import type * as repairTrees from '../verify/repair-trees.ts'
import type * as repairing from '../verify/repair.ts'
import type * as restoring from '../restore/restore.ts'
import type * as saving from '../save/save.ts'
import type * as verifying from '../verify/verify.ts'

// What a boot that only links never calls is loaded by the first call: it is most of this package.

export const copyRecord: typeof copying.copyRecord = async (from, to) =>
  (await import('../record/copy-record.ts')).copyRecord(from, to)

export const describeArchives: typeof listing.describeArchives = async (store, options) =>
  (await import('../snapshots/list-snapshots.ts')).describeArchives(store, options)

export const extractPaths: typeof extracting.extractPaths = async (options) =>
  (await import('../restore/extract.ts')).extractPaths(options)

export const importArchive: typeof importing.importArchive = async (options) =>
  (await import('../import/import.ts')).importArchive(options)

export const listSnapshots: typeof listing.listSnapshots = async (store, archive, options) =>
  (await import('../snapshots/list-snapshots.ts')).listSnapshots(store, archive, options)

export const pruneStore: typeof pruning.pruneStore = async (options) =>
  (await import('../prune/prune.ts')).pruneStore(options)

export const findOwnTrees: typeof repairTrees.findOwnTrees = async (directory, of) =>
  (await import('../verify/repair-trees.ts')).findOwnTrees(directory, of)

export const repairArchive: typeof repairing.repairArchive = async (options) =>
  (await import('../verify/repair.ts')).repairArchive(options)

export const restoreTree: typeof restoring.restoreTree = async (options) =>
  (await import('../restore/restore.ts')).restoreTree(options)

export const saveTree: typeof saving.saveTree = async (options) =>
  (await import('../save/save.ts')).saveTree(options)

export const verifyArchive: typeof verifying.verifyArchive = async (options) =>
  (await import('../verify/verify.ts')).verifyArchive(options)
